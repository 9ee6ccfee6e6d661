/**
 * The Int32Arrays that carry batches over the border to the addon (native/frame_source.h).
 *
 *   received frame, 16 words: region | offset | captured | wire | flags | seconds | nanoseconds | socket
 *                             | link type | packet id | mark | in device | out device | bytes before IP | - | -
 *   frame to send, 4 words:   region | offset | length | -
 *   verdict, 8 words:         packet id | all up to it | NF_* | mark | has mark | region | offset | length (0: packet as it was)
 *   copy job, 5 words:        from region | from offset | to region | to offset | length
 *
 * With PACKET_VNET_HDR on a socket, the 10 bytes before a frame's offset are its virtio_net_hdr.
 */
export const enum FrameWord {
  Region = 0,
  Offset = 1,
  Captured = 2,
  Wire = 3,
  Flags = 4,
  Seconds = 5,
  Nanoseconds = 6,
  /** Index in the array of sockets given to packetReceive. */
  Socket = 7,
  /** LINKTYPE_*: 1 Ethernet, 101 raw IP, 0x10000 | EtherType for anything else without a link header. */
  Link = 8,
  // NFQUEUE and NFLOG only, else 0
  PacketId = 9,
  /** The packet's netfilter mark. */
  Mark = 10,
  /** Interface indices; bridge ports where the packet crosses a bridge. */
  InDevice = 11,
  OutDevice = 12,
  /** Bridge family: bytes of the link header put before the payload. A verdict's payload begins behind them. */
  Lead = 13,
  Words = 16,
}

export const enum FrameFlag {
  CsumNotReady = 1,
  Truncated = 2,
  /** The interface or the kernel has verified the transport checksum. */
  CsumValid = 4,
  /** Either way there is nothing to validate. */
  CsumSettled = CsumNotReady | CsumValid,
}

export const SEND_WORDS = 4;
export const COPY_WORDS = 5;

export const enum VerdictWord {
  PacketId = 0,
  /** 1: all packets of the queue up to this id (NFQNL_MSG_VERDICT_BATCH); 0: this one. */
  UpTo = 1,
  /** NF_* of linux/netfilter.h, for NF_QUEUE with the queue number in the high half. */
  Verdict = 2,
  Mark = 3,
  HasMark = 4,
  Region = 5,
  Offset = 6,
  /** Bytes of the rewritten packet, from its IP header; 0: the packet is as it was. */
  Length = 7,
  Words = 8,
}

/** linux/netfilter.h */
export const enum Nf {
  Drop = 0,
  Accept = 1,
  Queue = 3,
  Repeat = 4,
}

/** Indices of queueStatistics' result; the first three are the kernel's (/proc/net/netfilter/nfnetlink_queue). */
export const enum QueueStat {
  Depth = 0,
  Dropped = 1,
  UserDropped = 2,
  /** Packet ids that never came: refused by the receive buffer. With fail-open netfilter let those packets through. */
  Missing = 3,
  /** ENOBUFS from the socket. */
  Overruns = 4,
  Words = 5,
}
export const VNET_HEADER = 10;

/** Indices of packetTransmit's result. */
export const enum SendResult {
  Sent = 0,
  Errors = 1,
  Busy = 2,
  TooLong = 3,
  LinkDown = 4,
  Words = 5,
}

/** Most frames of one receive or transmit call (kMaxBatch in the addon). */
export const MAX_BATCH = 256;

/** linux/if_packet.h */
export const enum Fanout {
  Hash = 0,
  Cpu = 2,
  Rnd = 4,
  Qm = 5,
}
