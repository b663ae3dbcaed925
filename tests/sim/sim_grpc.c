/* SPDX-License-Identifier: MIT */
/* sim_grpc [as in history_main.c]: histories of channels (grpc_history.c), and the table of what they met. */
#include "sim/grpc_rig.h"
#include "sim/history_main.h"

static const char *const deed_names[] = {
#define X(name, text) [H2_DEED_##name] = (text),
    H2_SERVER_DEEDS(X)
#undef X
#define X(name, text) [GRPC_##name] = (text),
        GRPC_DEEDS(X)
#undef X
};

/* That can befall wires whose servers say nothing unasked. */
static const enum sim_fault faults_expected[] = {
    SIM_FAULT_REFUSE,   SIM_FAULT_BLACK_HOLE,  SIM_FAULT_RESET_AFTER,    SIM_FAULT_HALF_CLOSE,
    SIM_FAULT_STALL,    SIM_FAULT_CHOP,        SIM_FAULT_LATENCY,        SIM_FAULT_DNS_SLOW,
    SIM_FAULT_DNS_FAIL, SIM_FAULT_DNS_NO_NAME, SIM_FAULT_ADDRESS,        SIM_FAULT_KILL,
    SIM_FAULT_GRACEFUL, SIM_FAULT_IDLE_CLOSE,  SIM_FAULT_EMFILE,         SIM_FAULT_ALLOC,
    SIM_FAULT_CLOCK,    SIM_FAULT_SPURIOUS,    SIM_FAULT_ADDRESS_LEAVES,
};

static struct met met = {.deed_names = deed_names, .deeds_n = GRPC_DEEDS_N};

static int run(uint64_t seed, const struct history_options *options, char *text, size_t size)
{
    return grpc_history_run(seed, options, &met, text, size);
}

static int report(uint64_t histories)
{
    int lacking = 0;

    met_heading(&met);
    met_print(&met);
    if (histories < 500)
        return 0;
    for (size_t i = 0; i < BL_COUNT(faults_expected); i++)
        lacking += met_lacking_fault(&met, faults_expected[i]);
    return lacking + met_lacking_deeds(&met) + met_lacking_size(&met);
}

int main(int argc, char **argv)
{
    return history_main(argc, argv, run, report);
}
