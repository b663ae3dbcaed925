/* SPDX-License-Identifier: MIT */
#ifndef TEST_PEERS_TEST_GRPC_COMPRESSED_H
#define TEST_PEERS_TEST_GRPC_COMPRESSED_H

/* The cases of compression, which few servers know. Returns how many failed. */
int test_grpc_compressed(void);

#endif
