/** xbits and hostbits: bits of addresses and of pairs of them, that pass with time. */
import type { Packet } from '../../decode/packet.js';
import type { BitTrack } from '../../rules/state-option.js';
import { type AddressTable, Entry, Kind } from './address-table.js';

export const enum Track {
  Src = 0,
  Dst,
  Pair,
  /** Either of two addresses has it; both are set. */
  Both,
}
export const BIT_TRACKS: Record<BitTrack, Track> = { ip_src: Track.Src, ip_dst: Track.Dst, ip_pair: Track.Pair, both: Track.Both };

export class AddressBits {
  constructor(private readonly table: AddressTable) {}

  /** 1: set. `key`: bitKey of the name. */
  has(p: Packet, key: Int32Array, track: Track): number {
    if (this.table.bits === 0) return 0;
    if (track === Track.Both) return this.one(p, key, Track.Src) | this.one(p, key, Track.Dst);
    return this.one(p, key, track);
  }

  set(p: Packet, key: Int32Array, track: Track, expire: number): void {
    if (track === Track.Both) {
      this.setOne(p, key, Track.Src, expire);
      this.setOne(p, key, Track.Dst, expire);
    } else this.setOne(p, key, track, expire);
  }

  unset(p: Packet, key: Int32Array, track: Track): void {
    if (this.table.bits === 0) return;
    if (track === Track.Both) {
      this.unsetOne(p, key, Track.Src);
      this.unsetOne(p, key, Track.Dst);
    } else this.unsetOne(p, key, track);
  }

  toggle(p: Packet, key: Int32Array, track: Track, expire: number): void {
    if (this.has(p, key, track) === 1) this.unset(p, key, track);
    else this.set(p, key, track, expire);
  }

  private probe(p: Packet, key: Int32Array, track: Track): void {
    const { table } = this;
    // An address has one set of bits, whichever side of a packet it stands on.
    table.key(Kind.Bit | ((track === Track.Pair ? 1 : 0) << 8) | (p.ipVersion << 16), key[0], key[1], key[2]);
    if (track === Track.Pair) table.pair(p.src, p.dst);
    else table.address(track === Track.Src ? p.src : p.dst);
  }

  private one(p: Packet, key: Int32Array, track: Track): number {
    this.probe(p, key, track);
    const found = this.table.find(p) >= 0 ? 1 : 0;
    this.table.release();
    return found;
  }

  private setOne(p: Packet, key: Int32Array, track: Track, expire: number): void {
    const { table } = this;
    if (p.ipVersion === 0) return;
    this.probe(p, key, track);
    const e = table.claim(p);
    table.begin(e, p);
    table.lasts(e, expire);
    // To the end of that second: Suricata counts bits in whole seconds.
    table.words[e + Entry.SinceNsec] = 999_999_999;
    table.words[e + Entry.Count] = 1;
    table.release();
    table.bitSet();
  }

  private unsetOne(p: Packet, key: Int32Array, track: Track): void {
    this.probe(p, key, track);
    const e = this.table.find(p);
    if (e >= 0) this.table.remove(e);
    this.table.release();
  }
}
