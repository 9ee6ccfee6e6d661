/** Rules' app-layer-event:ssh.NAME. Bits of Word.Events in this order. */
export const enum SshEvent {
  InvalidBanner = 0,
  LongBanner = 1,
  InvalidRecord = 2,
}

export const SSH_EVENTS: readonly string[] = ['invalid_banner', 'long_banner', 'invalid_record'];
