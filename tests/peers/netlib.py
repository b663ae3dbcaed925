# SPDX-License-Identifier: MIT
"""Namespaces of a test's own: its network, mounts and processes, which vanish with it, whatever ends it."""
import os
import shutil
import subprocess
import sys

TOOLS = ("ip", "nft", "ss")
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def enter_namespaces():
    """Runs this script again in namespaces of its own; without root, as the root of a user namespace."""
    if os.environ.get("BELAY_INSIDE"):
        return
    for tool in TOOLS:
        if not shutil.which(tool, path=PATH):
            print(f"{tool} is not installed: skipped")
            sys.exit(1 if os.environ.get("CI") else 77)
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        unshare.insert(1, "--map-root-user")
    if subprocess.run(unshare + ["nft", "list", "ruleset"], capture_output=True, check=False,
                      env=dict(os.environ, PATH=PATH)).returncode:
        print("no namespaces and no nft: this needs root, or a kernel that lets users have them: skipped")
        sys.exit(77)
    os.execvpe(unshare[0], unshare + [sys.executable, *sys.argv], dict(os.environ, PATH=PATH, BELAY_INSIDE="1"))


def sh(*argv, text=None):
    subprocess.run(argv, input=text, text=True, check=True, stdout=subprocess.DEVNULL)
