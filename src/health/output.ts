/** So much is kept of what a probe was told. */
export const outputBytes = 4096;
