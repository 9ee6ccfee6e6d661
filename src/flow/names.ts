/** Name tables of codes.ts, as EVE prints them. */
export const FLOW_STATE_NAMES = ['new', 'established', 'closed', 'bypassed'] as const;

export const FLOW_END_NAMES = ['timeout', 'forced', 'shutdown', 'tcp_reuse'] as const;

export const TCP_STATE_NAMES = [
  'none',
  'syn_sent',
  'syn_recv',
  'established',
  'fin_wait1',
  'fin_wait2',
  'time_wait',
  'last_ack',
  'close_wait',
  'closing',
  'closed',
] as const;
