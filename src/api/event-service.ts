import type { ServiceImpl } from "@connectrpc/connect";
import type { EventFilter, EventService } from "../../gen/pm/v1/event_service_pb.ts";
import type { EventLog, EventPage } from "../supervisor/event-log.ts";
import { isEventSelected, type Selector } from "../supervisor/selection.ts";
import type { EventType, StoredEvent } from "../supervisor/store.ts";
import { fromEvent, toEventTypes } from "./convert-run.ts";
import { toSelector } from "./convert-selector.ts";
import { toWallTime } from "./convert-time.ts";
import { heartbeatMs } from "./supervisor-service.ts";

const defaultPage = 1000;

export function eventService(log: EventLog): ServiceImpl<typeof EventService> {
  return {
    listEvents({ filter: message, cursor, tail, maxEvents }) {
      const filter = toFilter(message);
      const from = cursor || (tail > 0 ? log.cursorBefore(tail, filter.admits) : log.oldestCursor);
      const page = log.read(from, maxEvents || defaultPage);
      return { ...toMessage(page, filter), atEnd: page.atEnd };
    },

    async *followEvents({ filter: message, cursor, tail }, { signal }) {
      const filter = toFilter(message);
      for await (const page of log.follow(cursor || log.cursorBefore(tail, filter.admits), signal, heartbeatMs)) {
        // A page without a match still moves the cursor, and so is worth sending as a sign of life.
        yield toMessage(page, filter);
      }
    },
  };
}

function toMessage(page: EventPage, filter: Filter) {
  return { events: page.events.filter(filter.admits).map(fromEvent), cursor: page.cursor, dropped: BigInt(page.dropped) };
}

interface Filter {
  readonly admits: (event: StoredEvent) => boolean;
}

function toFilter(message: EventFilter | undefined): Filter {
  const selector: Selector | undefined = message?.selector && toSelector(message.selector);
  const types: readonly EventType[] = message ? toEventTypes(message.types) : [];
  const since = toWallTime(message?.since) ?? 0;
  return {
    admits: (event) =>
      event.at >= since && (types.length === 0 || types.includes(event.type)) && (!selector || isEventSelected(selector, event.subject)),
  };
}
