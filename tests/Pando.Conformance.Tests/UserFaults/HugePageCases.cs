using Pando.Conformance.Tests.Kernel;
using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.UserFaults;

/// <summary>userfaultfd with a file whose pages are of 2 MiB and cannot be smaller (hugetlbfs), shared.</summary>
public class HugePageCases(HugePages pages) : IClassFixture<HugePages>
{
    [Theory]
    [InlineData("missing", "map 0-8M rw-s huge+0; register 0-8M missing; load 1 = 1; store 2M+5 9; load 2M+6 = 11; load 2M+5 = 9; load 3M = 11; asked 0 missing load, 2M missing store; has 0-8M rw-s huge+0 usermissing")]
    [InlineData("copied", "map 0-8M rw-s huge+0; register 0-8M missing; copy 0-2M 7; load 1M = 7; load 1 = 7; asked nothing; copy 0-2M 7 -> EEXIST; has 0-8M rw-s huge+0 usermissing")]
    [InlineData("several copied", "map 0-8M rw-s huge+0; store 4M 1; register 0-8M missing; copy 0-6M 7 -> EEXIST; load 3M = 7; load 4M = 1; asked nothing; has 0-8M rw-s huge+0 usermissing")]
    [InlineData("a part copied", "map 0-8M rw-s huge+0; register 0-8M missing; copy 0-1 7 -> EINVAL; copy 1-2M+1 7 -> EINVAL; copy 0-3M 7 -> EINVAL; has 0-8M rw-s huge+0 usermissing")]
    [InlineData("zeroes", "map 0-8M rw-s huge+0; register 0-8M missing; zero 0-2M -> EINVAL; zero 0-1 -> EINVAL; has 0-8M rw-s huge+0 usermissing")]
    [InlineData("copied past the end", "map 0-2M r--s huge+8M; register 0-2M missing; copy 0-2M 7 -> EFAULT; load 0 -> BusError; asked nothing; has 0-2M r--s huge+8M usermissing")]
    [InlineData("minor", "map 0-4M rw-s huge+0; map 8M-12M rw-s huge+0; store 8M+5 3; register 0-4M minor; load 5 = 3; store 6 4; load 8M+6 = 4; load 2M = 0; asked 0 minor load; has 0-4M rw-s huge+0 userminor, 8M-12M rw-s huge+0")]
    [InlineData("continued", "map 0-4M rw-s huge+0; map 8M-12M rw-s huge+0; store 8M+5 3; register 0-4M minor; continue 0-2M; load 5 = 3; continue 0-2M -> EEXIST; continue 2M-4M -> EFAULT; continue 0-1 -> EINVAL; asked nothing; has 0-4M rw-s huge+0 userminor, 8M-12M rw-s huge+0")]
    [InlineData("continued past the end", "map 0-2M r--s huge+8M; register 0-2M minor; continue 0-2M -> EFAULT; has 0-2M r--s huge+8M userminor")]
    [InlineData("registered with entries there", "map 0-4M rw-s huge+0; store 0 3; register 0-4M minor; load 1 = 0; asked nothing; has 0-4M rw-s huge+0 userminor")]
    [InlineData("a part registered", "map 0-8M rw-s huge+0; register 0-1M missing -> EINVAL; register 1-2M missing -> EINVAL; register 2M-4M missing; has 0-2M rw-s huge+0, 2M-4M rw-s huge+2M usermissing, 4M-8M rw-s huge+4M")]
    [InlineData("registered from a gap before it", "map 2M-4M rw-s huge+0; register 1-4M missing -> EINVAL; register 0-4M missing; has 2M-4M rw-s huge+0 usermissing")]
    [InlineData("registered up to a gap behind it", "map 0-2M rw-s huge+0; register 0-3M missing; has 0-2M rw-s huge+0 usermissing")]
    [InlineData("a part unregistered", "map 0-8M rw-s huge+0; register 0-8M missing; unregister 0-1M -> EINVAL; unregister 1-2M -> EINVAL; unregister 2M-4M; load 3M = 0; asked nothing; has 0-2M rw-s huge+0 usermissing, 2M-4M rw-s huge+2M, 4M-8M rw-s huge+4M usermissing")]
    [InlineData("a part that is not registered is unregistered", "map 0-4M rw-s huge+0; unregister 0-1; unregister 1-2 -> EINVAL; has 0-4M rw-s huge+0")]
    public void It_is_handled(string name, string script) => Runs(name, script);

    [Theory]
    [InlineData("a part", "map 0-4M rw-s huge+0; register 0-4M wp; wp 0-1 -> EINVAL; wp 1-2M+1 -> EINVAL; wp 0-3M -> EINVAL; unwp 0-1 -> EINVAL; has 0-4M rw-s huge+0 userwriteprotect")]
    [InlineData("what is there and what is not", "map 0-4M rw-s huge+0; store 0 3; register 0-4M wp; wp 0-4M; load 1 = 0; load 2M = 0; store 5 4; store 6 4; store 2M+5 4; asked 0 wp store, 2M wp store; has 0-4M rw-s huge+0 userwriteprotect")]
    [InlineData("this process alone", "map 0-4M rw-s huge+0; fork 1; register 0-4M wp; wp 0-2M; 1: store 0 5; load 0 = 5; store 0 6; 1: load 0 = 6; asked 0 wp store; has 0-4M rw-s huge+0 userwriteprotect; 1: has 0-4M rw-s huge+0")]
    [InlineData("missing, copied with it", "map 0-4M rw-s huge+0; register 0-4M missing wp; copy 0-2M 7 protected; store 1M 8; load 1M = 8; load 1M+1 = 7; asked 0 wp store; has 0-4M rw-s huge+0 usermissing userwriteprotect")]
    [InlineData("copied over it", "map 0-4M rw-s huge+0; register 0-4M missing wp; wp 0-4M; copy 0-2M 7; store 1M 8; store 2M 9; asked 2M missing store; has 0-4M rw-s huge+0 usermissing userwriteprotect")]
    [InlineData("a page given other rights", "map 0-4M rw-s huge+0; register 0-4M wp; wp 0-4M; mprotect 0-2M r--; mprotect 0-2M rw-; store 0 1; store 2M 1; asked 0 wp store, 2M wp store; has 0-2M rw-s huge+0 userwriteprotect, 2M-4M rw-s huge+2M userwriteprotect")]
    [InlineData("a page unmapped", "map 0-4M rw-s huge+0; store 0 1; register 0-4M wp; wp 0-4M; munmap 0-2M; store 2M 1; asked 2M wp store; has 2M-4M rw-s huge+2M userwriteprotect")]
    [InlineData("a page dropped", "map 0-4M rw-s huge+0; store 0 1; register 0-4M wp; wp 0-4M; madvise 0-2M DontNeed; store 0 2; asked 0 wp store; has 0-4M rw-s huge+0 userwriteprotect")]
    [InlineData("a page removed", "map 0-4M rw-s huge+0; store 0 1; register 0-4M wp; wp 0-4M; madvise 0-2M Remove; store 0 2; load 1 = 0; asked 0 wp store; has 0-4M rw-s huge+0 userwriteprotect")]
    [InlineData("a page punched", "map 0-4M rw-s huge+0; store 0 1; register 0-4M wp; wp 0-4M; punch huge 0-2M; store 0 2; load 1 = 0; asked 0 wp store; has 0-4M rw-s huge+0 userwriteprotect")]
    [InlineData("the file truncated", "map 0-4M rw-s huge+0; store 0 1; store 2M 1; register 0-4M wp; wp 0-4M; ftruncate huge 2M; ftruncate huge 8M; store 0 2; store 2M 2; load 2M+1 = 0; asked 0 wp store, 2M wp store; has 0-4M rw-s huge+0 userwriteprotect")]
    [InlineData("a page no longer registered", "map 0-4M rw-s huge+0; store 0 1; register 0-4M wp; wp 0-4M; unregister 0-2M; store 0 2; store 2M 2; asked 2M wp store; has 0-2M rw-s huge+0, 2M-4M rw-s huge+2M userwriteprotect")]
    [InlineData("a page moved", "map 0-4M rw-s huge+0; store 0 1; register 0-4M wp; wp 0-4M; mremap 0-2M to 8M-10M; store 8M 2; store 2M 2; asked 2M wp store; has 2M-4M rw-s huge+2M userwriteprotect, 8M-10M rw-s huge+0")]
    public void It_protects(string name, string script) => Runs(name, script);

    private void Runs(string name, string script)
    {
        pages.Require();
        CaseScript.Runs(name, script, hugePages: true);
    }
}
