import { BufferId, type Buffers } from '../buffers.js';
import { FINGERPRINT_DIGITS, JA4_DIGITS, MD5_DIGITS, RANDOM_BYTES, Side, SideFlag } from './layout.js';
import type { TlsStore } from './store.js';

const RANDOM_TIME_BYTES = 4;

/** Sets what a direction has by now. All of it lies in the heap. */
export function selectTls(store: TlsStore, tx: number, direction: number, buffers: Buffers): void {
  const { heap, bytes } = store;
  const { region } = store.txs.heap;
  const side = store.side(tx, direction);
  const flags = heap[side + Side.Flags];
  const hello = (flags & SideFlag.HelloShown) === 0 ? 1 : 0;
  const certificate = (flags & SideFlag.CertificateShown) === 0 ? 1 : 0;

  const random = heap[side + Side.RandomAt];
  if (random > 0) {
    buffers.set(BufferId.TlsRandom, bytes, region, random, RANDOM_BYTES, hello);
    buffers.set(BufferId.TlsRandomTime, bytes, region, random, RANDOM_TIME_BYTES, hello);
    buffers.set(BufferId.TlsRandomBytes, bytes, region, random + RANDOM_TIME_BYTES, RANDOM_BYTES - RANDOM_TIME_BYTES, hello);
  }
  text(store, buffers, BufferId.TlsSni, side + Side.SniAt, hello);
  const earlier = heap[side + Side.EarlierSniAt];
  if (earlier > 0) buffers.add(BufferId.TlsSni, bytes, region, earlier, heap[side + Side.EarlierSniLen]);
  heap[side + Side.EarlierSniAt] = 0;
  if (direction === 0) {
    text(store, buffers, BufferId.Ja3String, side + Side.LastJaAt, hello);
    digits(store, buffers, BufferId.Ja3Hash, side + Side.LastJaHashAt, MD5_DIGITS, hello);
    digits(store, buffers, BufferId.Ja4Hash, side + Side.LastJa4At, JA4_DIGITS, hello);
  } else {
    text(store, buffers, BufferId.Ja3sString, side + Side.JaAt, hello);
    digits(store, buffers, BufferId.Ja3sHash, side + Side.JaHashAt, MD5_DIGITS, hello);
  }
  if (heap[side + Side.AlpnAt] > 0) list(store, buffers, BufferId.TlsAlpn, side + Side.AlpnAt, 1, hello);

  text(store, buffers, BufferId.TlsCertSubject, side + Side.SubjectAt, certificate);
  text(store, buffers, BufferId.TlsCertIssuer, side + Side.IssuerAt, certificate);
  text(store, buffers, BufferId.TlsCertSerial, side + Side.SerialAt, certificate);
  digits(store, buffers, BufferId.TlsCertFingerprint, side + Side.FingerprintAt, FINGERPRINT_DIGITS, certificate);
  if (heap[side + Side.CertsAt] > 0) list(store, buffers, BufferId.TlsCerts, side + Side.CertsAt, 3, certificate);
  if (heap[side + Side.SanAt] > 0) list(store, buffers, BufferId.TlsSubjectaltname, side + Side.SanAt, 2, certificate);

  // What has not come yet will be new when it comes.
  if (random > 0) heap[side + Side.Flags] |= SideFlag.HelloShown;
  if (heap[side + Side.Certificates] > 0) heap[side + Side.Flags] |= SideFlag.CertificateShown;
}

function text(store: TlsStore, buffers: Buffers, id: BufferId, index: number, fresh: number): void {
  const at = store.heap[index];
  if (at > 0) buffers.set(id, store.bytes, store.txs.heap.region, at, store.heap[index + 1], fresh);
}

function digits(store: TlsStore, buffers: Buffers, id: BufferId, index: number, len: number, fresh: number): void {
  const at = store.heap[index];
  if (at > 0) buffers.set(id, store.bytes, store.txs.heap.region, at, len, fresh);
}

/** Entries behind their lengths of `width` bytes. */
function list(store: TlsStore, buffers: Buffers, id: BufferId, index: number, width: number, fresh: number): void {
  const { bytes } = store;
  const end = store.heap[index] + store.heap[index + 1];
  for (let at = store.heap[index]; at + width <= end; ) {
    const entry = at + width;
    let length = 0;
    for (; at < entry; at++) length = (length << 8) | bytes[at];
    if (length > end - entry) length = end - entry;
    buffers.add(id, bytes, store.txs.heap.region, entry, length);
    at = entry + length;
  }
  if (fresh === 0) buffers.fresh[id] = 0;
}
