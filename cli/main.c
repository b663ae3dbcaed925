/* SPDX-License-Identifier: MIT */
/* The program `belay`: its commands. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "get.h"
#ifdef BELAY_CLI_GRPC
#include "grpc.h"
#endif
#include "pipe_run.h"
#include "pool_run.h"
#include "say.h"
#include "watch_run.h"

struct command {
    const char *name, *help;
    int (*run)(int argc, char **argv); /* NULL: not in this program */
    const struct option_table *table;
};

static int help_main(int argc, char **argv);

static const struct command commands[] = {
    {"get", "ask for URLs over pooled, reused and verified connections", get_main, &get_table},
    {"pool", "keep pools of connections and watch what they do", pool_main, &pool_table},
    {"pipe", "standard input and output over a connection that comes back", pipe_main, &pipe_table},
    {"watch", "keep connections to services up, and show how they are", watch_main, &watch_table},
#ifdef BELAY_CLI_GRPC
    {"grpc", "call methods of gRPC services, and ask what there is", grpc_main, &grpc_table},
#else
    {"grpc", NULL, NULL, NULL},
#endif
    {"help", "say more about a command", help_main, NULL},
};

enum { COMMANDS_N = sizeof commands / sizeof commands[0] };

static void print_help(void)
{
    puts("belay keeps a program connected to the services it talks to.\n\n"
         "usage: belay COMMAND [options] ...\n");
    for (size_t i = 0; i < COMMANDS_N; i++)
        if (commands[i].help)
            printf("  %-8s %s\n", commands[i].name, commands[i].help);
    puts("\n  belay help COMMAND   its options\n"
         "  belay --version      the version\n\n"
         "Environment: BELAY_LOG=info or pool=debug,tls=off (the library's log, on standard "
         "error),\n"
         "NO_COLOR (no colours).");
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS_N; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int refuse_unknown(const char *name)
{
    char shown[TEXT_SHOWN_MAX];
    const char *nearest = NULL;
    size_t best = SIZE_MAX;

    text_show(shown, sizeof shown, name);
    for (size_t i = 0; i < COMMANDS_N; i++)
        if (text_is_nearer(name, commands[i].name, &best))
            nearest = commands[i].name;
    if (strncmp(name, "grpc://", 7) == 0 || strncmp(name, "grpcs://", 8) == 0)
        say("\"%s\" is a target, not a command (belay grpc %s list)", shown, shown);
    else if (strstr(name, "://"))
        say("\"%s\" is a URL, not a command (belay get URL)", shown);
    else if (name[0] == '-')
        say("%s: there is no such option before a command (belay help)", shown);
    else if (nearest)
        say("%s: there is no such command (did you mean %s?)", shown, nearest);
    else
        say("%s: there is no such command (belay help lists them)", shown);
    return EXIT_USAGE;
}

static int flush_stdout(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_FINE;
    say("writing to standard output failed");
    return EXIT_PROBLEM;
}

static int help_main(int argc, char **argv)
{
    const struct command *command = argc > 0 ? find(argv[0]) : NULL;

    if (argc > 0 && !command)
        return refuse_unknown(argv[0]);
    if (command && !command->run) {
        say("%s: this belay was built without it (BELAY_GRPC)", command->name);
        return EXIT_USAGE;
    }
    if (command && command->table)
        options_print_help(command->table);
    else
        print_help();
    return flush_stdout();
}

/*
 * A program may be started without them, and the next file opened would be taken for one. What
 * takes their place can be neither written nor, on input, found to have anything.
 */
static void fill_standard_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= 2);
    if (fd > 2)
        close(fd);
}

int main(int argc, char **argv)
{
    const struct command *command;

    fill_standard_streams();
    if (argc < 2) {
        say("what shall be done? (belay help)");
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help_main(argc - 2, argv + 2);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("belay %s\n", belay_version());
        return flush_stdout();
    }
    command = find(argv[1]);
    if (!command)
        return refuse_unknown(argv[1]);
    if (!command->run) {
        say("%s: this belay was built without it (BELAY_GRPC)", command->name);
        return EXIT_USAGE;
    }
    return command->run(argc - 2, argv + 2);
}
