/** Rules' app-layer-event:tls.NAME. Bits of Word.Events in this order. */
export const enum TlsEvent {
  InvalidSslv2Header = 0,
  InvalidTlsHeader = 1,
  InvalidRecordVersion = 2,
  InvalidRecordType = 3,
  InvalidRecordLength = 4,
  InvalidHandshakeMessage = 5,
  InvalidCertificate = 6,
  CertificateMissingElement = 7,
  CertificateUnknownElement = 8,
  CertificateInvalidLength = 9,
  CertificateInvalidString = 10,
  CertificateInvalidVersion = 11,
  CertificateInvalidSerial = 12,
  CertificateInvalidAlgorithm = 13,
  CertificateInvalidName = 14,
  CertificateInvalidDate = 15,
  CertificateInvalidExtensions = 16,
  CertificateInvalidDer = 17,
  CertificateInvalidSubject = 18,
  CertificateInvalidIssuer = 19,
  CertificateInvalidValidity = 20,
  ErrorMessageEncountered = 21,
  InvalidSslRecord = 22,
  HeartbeatMessage = 23,
  InvalidHeartbeatMessage = 24,
  OverflowHeartbeatMessage = 25,
  DataleakHeartbeatMismatch = 26,
  HandshakeInvalidLength = 27,
  MultipleSniExtensions = 28,
  InvalidSniType = 29,
  InvalidSniLength = 30,
  TooManyRecordsInPacket = 31,
  InvalidAlertMessage = 32,
}

export const TLS_EVENTS: readonly string[] = `
  invalid_sslv2_header invalid_tls_header invalid_record_version invalid_record_type invalid_record_length
  invalid_handshake_message invalid_certificate certificate_missing_element certificate_unknown_element
  certificate_invalid_length certificate_invalid_string certificate_invalid_version certificate_invalid_serial
  certificate_invalid_algorithmidentifier certificate_invalid_x509name certificate_invalid_date
  certificate_invalid_extensions certificate_invalid_der certificate_invalid_subject certificate_invalid_issuer
  certificate_invalid_validity error_message_encountered invalid_ssl_record heartbeat_message
  invalid_heartbeat_message overflow_heartbeat_message dataleak_heartbeat_mismatch handshake_invalid_length
  multiple_sni_extensions invalid_sni_type invalid_sni_length too_many_records_in_packet invalid_alert_message
`
  .trim()
  .split(/\s+/);
