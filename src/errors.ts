/**
 * Every error Sluice reports to a person. One line: what was tried, what is wrong, the mend.
 * The code is stable: scripts may match on it.
 */
export type ErrorCode =
  | 'SLUICE_ADDON' // the native addon cannot be loaded
  | 'SLUICE_USAGE' // a command line that cannot be understood
  | 'SLUICE_CONFIG' // suricata.yaml: unreadable or a value out of range
  | 'SLUICE_RULE' // a rule or rule file that cannot be loaded
  | 'SLUICE_INTERFACE' // a network interface is missing or its settings do not fit its peer
  | 'SLUICE_CAPABILITY' // a right (CAP_NET_RAW, CAP_NET_ADMIN) is missing
  | 'SLUICE_SYSTEM' // a system call failed
  | 'SLUICE_MAGIC' // libmagic is wanted and cannot be used
  | 'SLUICE_CAPTURE_FILE' // a pcap/pcapng file that cannot be read
  | 'SLUICE_LAB'; // the embedded lab could not be built

export class SluiceError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'SluiceError';
  }
}

/** One line for a person, whatever was thrown. */
export function errorLine(error: unknown): string {
  // An error that came from another thread has the code, but not the class.
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code.startsWith('SLUICE_')) return `${code}: ${(error as Error).message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
