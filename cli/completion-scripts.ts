// Each script asks `pmctl __complete` for candidates, hands over the words as they are, without a shell reading them again, and offers files
// where there is no candidate.

const bash = `_pmctl() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <(pmctl __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [[ \${#COMPREPLY[@]} -gt 0 && \${COMPREPLY[0]} == *= ]]; then compopt -o nospace; fi
}
complete -o default -F _pmctl pmctl
`;

const zsh = `#compdef pmctl
_pmctl() {
  local line
  local -a candidates
  for line in "\${(@f)$(pmctl __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -z $line ]] && continue
    if [[ $line == *$'\\t'* ]]; then
      candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
    else
      candidates+=("\${line//:/\\\\:}")
    fi
  done
  if (( $#candidates )); then _describe 'pmctl' candidates; else _files; fi
}
if [[ $funcstack[1] == _pmctl ]]; then _pmctl "$@"; else compdef _pmctl pmctl; fi
`;

const fish = `function __pmctl_candidates
  set -l words (commandline -opc) (commandline -ct)
  pmctl __complete -- $words[2..-1] 2>/dev/null
end
complete -c pmctl -f -a '(__pmctl_candidates)'
complete -c pmctl -n '__fish_seen_subcommand_from start' -F
`;

export const completionScripts: Readonly<Record<string, string>> = { bash, zsh, fish };
