/* SPDX-License-Identifier: MIT */
/*
 * The messages that servers put into google.rpc.Status as details, so that they can be shown
 * whether or not the server tells of them itself. As documented for google/rpc/error_details.proto;
 * the numbers are what counts.
 */
#ifndef CLI_GRPC_DETAILS_H
#define CLI_GRPC_DETAILS_H

static const char grpc_details_proto[] =
    "syntax = \"proto3\";\n"
    "package google.rpc;\n"
    "import \"google/protobuf/duration.proto\";\n"
    "message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; "
    "}\n"
    "message RetryInfo { google.protobuf.Duration retry_delay = 1; }\n"
    "message DebugInfo { repeated string stack_entries = 1; string detail = 2; }\n"
    "message QuotaFailure {\n"
    "  message Violation { string subject = 1; string description = 2; }\n"
    "  repeated Violation violations = 1;\n"
    "}\n"
    "message PreconditionFailure {\n"
    "  message Violation { string type = 1; string subject = 2; string description = 3; }\n"
    "  repeated Violation violations = 1;\n"
    "}\n"
    "message BadRequest {\n"
    "  message FieldViolation { string field = 1; string description = 2; }\n"
    "  repeated FieldViolation field_violations = 1;\n"
    "}\n"
    "message RequestInfo { string request_id = 1; string serving_data = 2; }\n"
    "message ResourceInfo {\n"
    "  string resource_type = 1; string resource_name = 2; string owner = 3; string description = "
    "4;\n"
    "}\n"
    "message Help {\n"
    "  message Link { string description = 1; string url = 2; }\n"
    "  repeated Link links = 1;\n"
    "}\n"
    "message LocalizedMessage { string locale = 1; string message = 2; }\n";

#endif
