/** FlowTable.tcpBits. */
export const enum TcpBit {
  /** The SYN of the client, of the server was acknowledged by the other side. */
  AckedTs = 1,
  AckedTc = 2,
  /** The SYN of the server was seen (a SYN+ACK counts). */
  SynTc = 4,
  /** A second SYN, SYN+ACK with another sequence number came: it waits in the other side's L4.Window. */
  OtherTs = 8,
  OtherTc = 16,
  /** The side whose RST ended the session. */
  RstTs = 32,
  RstTc = 64,
}
