/** What is odd about a transaction: numbers of bits in its two words of events, names as Suricata's `app-layer-event:http.*`. */
export const enum HttpEvent {
  UnknownError = 0,
  GzipFailed,
  RequestFieldMissingColon,
  ResponseFieldMissingColon,
  InvalidRequestChunkLen,
  InvalidResponseChunkLen,
  InvalidRequestTransferEncoding,
  InvalidResponseTransferEncoding,
  InvalidRequestContentLength,
  InvalidResponseContentLength,
  DuplicateRequestContentLength,
  DuplicateResponseContentLength,
  ContinueAlreadySeen,
  UnmatchedResponse,
  InvalidServerPort,
  InvalidAuthorityPort,
  RequestHeaderInvalid,
  ResponseHeaderInvalid,
  MissingHost,
  HostAmbiguous,
  InvalidRequestFolding,
  InvalidResponseFolding,
  RequestFieldTooLong,
  ResponseFieldTooLong,
  PortMismatch,
  UriHostInvalid,
  HeaderHostInvalid,
  MethodDelim,
  UriDelim,
  LeadingWhitespace,
  TooManyLayers,
  AbnormalEncoding,
  AuthUnrecognized,
  RequestHeaderRepetition,
  ResponseHeaderRepetition,
  ResponseByteranges,
  ResponseAbnormalTransferEncoding,
  ResponseChunkedOldProto,
  ResponseInvalidProtocol,
  ResponseInvalidStatus,
  RequestLineIncomplete,
  DoubleEncodedUri,
  RequestLineInvalid,
  RequestBodyUnexpected,
  ResponseBodyUnexpected,
  CompressionBomb,
  RangeInvalid,
  RequestChunkExtension,
  ResponseChunkExtension,
  RequestLineMissingProtocol,
  RequestTooManyHeaders,
  ResponseTooManyHeaders,
  MultipartGeneric,
  MultipartNoFiledata,
  MultipartInvalidHeader,
  FileNameTooLong,
  FailedProtocolChange,
  Count,
}

/** By HttpEvent. */
export const HTTP_EVENTS: readonly string[] = `
  unknown_error gzip_decompression_failed request_field_missing_colon response_field_missing_colon
  invalid_request_chunk_len invalid_response_chunk_len invalid_transfer_encoding_value_in_request
  invalid_transfer_encoding_value_in_response invalid_content_length_field_in_request
  invalid_content_length_field_in_response duplicate_content_length_field_in_request
  duplicate_content_length_field_in_response 100_continue_already_seen unable_to_match_response_to_request
  invalid_server_port_in_request invalid_authority_port request_header_invalid response_header_invalid
  missing_host_header host_header_ambiguous invalid_request_field_folding invalid_response_field_folding
  request_field_too_long response_field_too_long request_server_port_tcp_port_mismatch request_uri_host_invalid
  request_header_host_invalid method_delim_non_compliant uri_delim_non_compliant request_line_leading_whitespace
  too_many_encoding_layers abnormal_ce_header request_auth_unrecognized request_header_repetition
  response_header_repetition response_multipart_byteranges response_abnormal_transfer_encoding
  response_chunked_old_proto response_invalid_protocol response_invalid_status request_line_incomplete
  double_encoded_uri request_line_invalid request_body_unexpected response_body_unexpected compression_bomb
  range_invalid request_chunk_extension response_chunk_extension request_line_missing_protocol
  request_too_many_headers response_too_many_headers multipart_generic_error multipart_no_filedata
  multipart_invalid_header file_name_too_long failed_protocol_change
`
  .trim()
  .split(/\s+/);
