import { DNS_EVENTS } from './dns/codes.js';
import { FTP_EVENTS } from './ftp/layout.js';
import { HTTP_EVENTS } from './http/events.js';
import { SMTP_EVENTS } from './smtp/events.js';
import { SSH_EVENTS } from './ssh/events.js';
import { TLS_EVENTS } from './tls/events.js';

/** Names of the events of each protocol's transactions (app-layer-event), by bit. */
export const APP_EVENTS: Readonly<Record<string, readonly string[]>> = {
  http: HTTP_EVENTS,
  http1: HTTP_EVENTS,
  tls: TLS_EVENTS,
  dns: DNS_EVENTS,
  ssh: SSH_EVENTS,
  smtp: SMTP_EVENTS,
  ftp: FTP_EVENTS,
};
