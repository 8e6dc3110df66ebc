using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.UserFaults;

/// <summary>UFFDIO_REGISTER and UFFDIO_UNREGISTER: what may be registered, how areas are cut, what a second registration changes.</summary>
public class RegistrationCases
{
    [Theory]
    [InlineData("anonymous memory", "map 0-4 rw-p; register 0-4 missing; has 0-4 rw-p usermissing")]
    [InlineData("a part", "map 0-4 rw-p; register 1-2 missing wp; has 0-1 rw-p, 1-2 rw-p usermissing userwriteprotect, 2-4 rw-p")]
    [InlineData("a memory file, shared", "map 0-4 rw-s memory+0; register 0-4 missing minor wp; has 0-4 rw-s memory+0 usermissing userminor userwriteprotect")]
    [InlineData("a memory file, private", "map 0-4 rw-p memory+0; register 0-4 missing wp; has 0-4 rw-p memory+0 usermissing userwriteprotect")]
    [InlineData("minor faults of a private mapping", "map 0-4 rw-p memory+0; register 0-4 minor; load 0 = 0; load 1 = 0; has 0-4 rw-p memory+0 userminor")]
    [InlineData("minor faults of anonymous memory", "map 0-4 rw-p; register 0-4 minor -> EINVAL; has 0-4 rw-p")]
    [InlineData("no mode", "map 0-4 rw-p; register 0-4 -> EINVAL; has 0-4 rw-p")]
    [InlineData("nothing", "register 0-4 missing -> EINVAL; has nothing")]
    [InlineData("no length", "map 0-4 rw-p; register 0-0 missing -> EINVAL; has 0-4 rw-p")]
    [InlineData("not from a page", "map 0-4 rw-p; register 0+1b-1+1b missing -> EINVAL; has 0-4 rw-p")]
    [InlineData("no whole pages", "map 0-4 rw-p; register 0-1+1b missing -> EINVAL; has 0-4 rw-p")]
    [InlineData("areas and a hole between them", "map 0-1 rw-p; map 2-3 rw-p; register 0-4 missing; has 0-1 rw-p usermissing, 2-3 rw-p usermissing")]
    [InlineData("a hole at first", "map 2-3 rw-p; register 0-4 missing; has 2-3 rw-p usermissing")]
    [InlineData("what cannot be written", "map 0-4 r--s readonly+0; register 0-4 missing -> EPERM; has 0-4 r--s memory+0")]
    [InlineData("what is not written", "map 0-4 r--s memory+0; register 0-4 missing; has 0-4 r--s memory+0 usermissing")]
    [InlineData("what may do nothing", "map 0-4 ---p; register 0-4 missing wp; has 0-4 ---p usermissing userwriteprotect")]
    [InlineData("a private mapping of a file opened for reading", "map 0-4 rw-p readonly+0; register 0-4 missing; has 0-4 rw-p memory+0 usermissing")]
    [InlineData("what is sealed", "map 0-4 rw-p; mseal 0-4; register 0-4 missing; has 0-4 rw-p sealed usermissing")]
    [InlineData("what cannot be written after what can", "map 0-2 rw-p; map 2-4 r--s readonly+0; register 0-4 missing -> EPERM; has 0-2 rw-p, 2-4 r--s memory+0")]
    public void What_is_registered(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("other modes", "map 0-4 rw-s memory+0; register 0-4 missing; register 0-4 minor; has 0-4 rw-s memory+0 userminor")]
    [InlineData("more modes", "map 0-4 rw-s memory+0; register 0-4 missing; register 0-4 missing wp; has 0-4 rw-s memory+0 usermissing userwriteprotect")]
    [InlineData("fewer modes change nothing", "map 0-4 rw-s memory+0; register 0-4 missing wp minor; register 0-4 wp; has 0-4 rw-s memory+0 usermissing userminor userwriteprotect")]
    [InlineData("partly others", "map 0-4 rw-s memory+0; register 0-4 missing wp; register 0-4 wp minor; has 0-4 rw-s memory+0 userminor userwriteprotect")]
    [InlineData("a part", "map 0-4 rw-p; register 0-4 missing; register 1-2 wp; has 0-1 rw-p usermissing, 1-2 rw-p userwriteprotect, 2-4 rw-p usermissing")]
    [InlineData("what was registered in two", "map 0-4 rw-p; register 0-2 missing; register 2-4 missing; has 0-4 rw-p usermissing")]
    [InlineData("its mode taken and given again", "map 0-4 rw-p; store 0 1; register 0-4 wp; wp 0-4; unregister 0-4; register 0-4 wp; store 0 2; asked nothing; has 0-4 rw-p userwriteprotect")]
    public void It_is_registered_again(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("all of it", "map 0-4 rw-p; register 0-4 missing wp; unregister 0-4; load 0 = 0; has 0-4 rw-p")]
    [InlineData("a part", "map 0-4 rw-p; register 0-4 missing; unregister 1-2; load 1 = 0; asked nothing; has 0-1 rw-p usermissing, 1-2 rw-p, 2-4 rw-p usermissing")]
    [InlineData("what is not registered", "map 0-4 rw-p; unregister 0-4; has 0-4 rw-p")]
    [InlineData("what is not mapped", "unregister 0-4 -> EINVAL; has nothing")]
    [InlineData("areas and holes", "map 0-1 rw-p; map 2-3 rw-p; register 0-4 missing; unregister 0-4; has 0-1 rw-p, 2-3 rw-p")]
    [InlineData("not from a page", "map 0-4 rw-p; register 0-4 missing; unregister 0+1b-1+1b -> EINVAL; has 0-4 rw-p usermissing")]
    [InlineData("with a page protected", "map 0-4 rw-s memory+0; store 0 1; register 0-4 wp; wp 0-4; unregister 0-1; store 0 2; asked nothing; store 1 2; asked 1 wp store; has 0-1 rw-s memory+0, 1-4 rw-s memory+1 userwriteprotect")]
    public void It_is_unregistered(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("unmapped and mapped again", "map 0-4 rw-p; register 0-4 missing; munmap 1-2; map 1-2 rw-p; load 1 = 0; asked nothing; has 0-1 rw-p usermissing, 1-2 rw-p, 2-4 rw-p usermissing")]
    [InlineData("mapped beside what is registered", "map 0-4 rw-p; register 0-4 missing; map 4-5 rw-p; has 0-4 rw-p usermissing, 4-5 rw-p")]
    [InlineData("given other rights", "map 0-4 rw-p; register 0-4 missing; mprotect 1-2 r--; load 1 = 2; asked 1 missing load; has 0-1 rw-p usermissing, 1-2 r--p usermissing, 2-4 rw-p usermissing")]
    [InlineData("moved, it is nobody's", "map 0-4 rw-p; register 0-4 missing wp; mremap 0-4 to 8-12; load 8 = 0; asked nothing; has 8-12 rw-p")]
    [InlineData("moved and not unmapped, the old is", "map 0-4 rw-p; store 0 1; register 0-4 missing wp; wp 0-1; mremap 0-4 to 8-12 dontunmap; load 8 = 1; store 8 2; asked nothing; load 0 = 1; store 0 5; asked 0 missing load; has 0-4 rw-p usermissing userwriteprotect, 8-12 rw-p")]
    [InlineData("grown", "map 0-4 rw-p; register 0-4 missing; mremap 0-4 for 6; load 5 = 6; asked 5 missing load; has 0-6 rw-p usermissing")]
    [InlineData("shrunk", "map 0-4 rw-p; register 0-4 missing; mremap 0-4 for 2; has 0-2 rw-p usermissing")]
    [InlineData("several moved at once", "map 0-2 rw-p; map 2-4 r--p; register 0-4 missing; mremap 0-4 to 8-12 -> EFAULT; has 0-2 rw-p usermissing, 2-4 r--p usermissing")]
    [InlineData("forked, the child's is nobody's", "map 0-4 rw-p; store 0 1; register 0-4 missing wp; wp 0-1; fork 1; 1: store 0 2; 1: load 1 = 0; asked nothing; store 0 3; asked 0 wp store; 1: load 0 = 2; has 0-4 rw-p usermissing userwriteprotect; 1: has 0-4 rw-p")]
    [InlineData("advised", "map 0-4 rw-p; register 0-4 missing; madvise 1-2 DontFork; fork 1; has 0-1 rw-p usermissing, 1-2 rw-p dontfork usermissing, 2-4 rw-p usermissing; 1: has 0-1 rw-p, 2-4 rw-p")]
    public void What_becomes_of_it(string name, string script) => CaseScript.Runs(name, script);
}
