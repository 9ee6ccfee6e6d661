/**
 * The Int32Arrays that carry batches over the border to the addon (native/af_packet/packet_socket.h).
 *
 *   received frame, 8 words:  region | offset | captured | wire | flags | seconds | nanoseconds | socket
 *   frame to send, 4 words:   region | offset | length | -
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
  Words = 8,
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
