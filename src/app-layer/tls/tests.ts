import { Tx } from '../transactions.js';
import { TlsFlag, Word } from './layout.js';

/**
 * What rules ask of a TLS transaction beside its buffers. All read the words of Transactions; `tx` is its number, `direction` the
 * one that is inspected (0: to server).
 */

/** tls.version, ssl_version: 0x0200 is SSL 2, 0x0301 TLS 1.0, 0x7f12 a draft of TLS 1.3; 0: not known yet. */
export function tlsVersion(words: Int32Array, tx: number, direction: number): number {
  return words[tx * Tx.Words + Tx.Parser + Word.Version + direction];
}

/** Bits of ssl_state, as in TlsFlag. */
export const enum SslState {
  ClientHello = 1,
  ServerHello = 2,
  ClientKeyExchange = 4,
  ServerKeyExchange = 8,
}

/** ssl_state: messages seen; 0 is its `unknown`. */
export function sslState(words: Int32Array, tx: number): number {
  return words[tx * Tx.Words + Tx.Parser + Word.Flags] & 15;
}

/** tls.cert_chain_len; -1: no certificate. */
export function certChainLen(words: Int32Array, tx: number, direction: number): number {
  const count = words[tx * Tx.Words + Tx.Parser + Word.Chain + direction];
  return count > 0 ? count : -1;
}

/** tls_cert_notbefore in seconds since 1970; NaN: no certificate. */
export function certNotBefore(words: Int32Array, tx: number, direction: number): number {
  return seconds(words, tx, direction, 0);
}

/** tls_cert_notafter, the same. */
export function certNotAfter(words: Int32Array, tx: number, direction: number): number {
  return seconds(words, tx, direction, 2);
}

/** tls_cert_expired; `now` in seconds since 1970. */
export function certExpired(words: Int32Array, tx: number, direction: number, now: number): boolean {
  return certNotAfter(words, tx, direction) < now;
}

/** tls_cert_valid: there is a certificate, and now is within its time. */
export function certValid(words: Int32Array, tx: number, direction: number, now: number): boolean {
  return certNotBefore(words, tx, direction) <= now && now <= certNotAfter(words, tx, direction);
}

/** True for a TlsEvent that was raised. */
export function hasTlsEvent(words: Int32Array, tx: number, event: number): boolean {
  return (words[tx * Tx.Words + Tx.Parser + Word.Events + (event >> 5)] & (1 << (event & 31))) !== 0;
}

function seconds(words: Int32Array, tx: number, direction: number, which: number): number {
  if ((words[tx * Tx.Words + Tx.Parser + Word.Flags] & (TlsFlag.Certificate << direction)) === 0) return Number.NaN;
  const at = tx * Tx.Words + Tx.Parser + Word.Validity + 4 * direction + which;
  return words[at] * 86400 + words[at + 1];
}
