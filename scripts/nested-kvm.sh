#!/usr/bin/env bash
# The tests of Pando.Kvm on a processor that walks page tables itself: an AMD one with SVM and nested paging, which QEMU
# emulates. Options, needs and exit codes are those of scripts/emulated.sh, but that the suite is said here.
#
#   scripts/nested-kvm.sh                                                  all of them
#   scripts/nested-kvm.sh -class Pando.Kvm.Tests.FlushTests                one class
#   scripts/nested-kvm.sh -e PANDO_ORACLE_LAYOUTS=150 -class Pando.Kvm.Tests.HardwareOracleTests
exec "$(dirname "${BASH_SOURCE[0]}")/emulated.sh" -s Pando.Kvm.Tests "$@"
