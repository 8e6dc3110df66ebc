using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>Locked memory.</summary>
public class MlockCases
{
    [Theory]
    [InlineData("brings its pages", "map 0-4 rw-p; mlock 1-3; mincore 0-4 = 0110; has 0-1 rw-p, 1-3 rw-p locked, 3-4 rw-p")]
    [InlineData("on fault brings none", "map 0-4 rw-p; mlock 0-4 onfault; store 1; mincore 0-4 = 0100; has 0-4 rw-p lockedonfault")]
    [InlineData("rounds to pages on both sides", "map 0-4 rw-p; mlock 1+100b-2+1b; has 0-1 rw-p, 1-3 rw-p locked, 3-4 rw-p")]
    [InlineData("on fault, and then at once", "map 0-2 rw-p; mlock 0-2 onfault; mlock 0-2; mincore 0-2 = 11; has 0-2 rw-p locked")]
    [InlineData("at once, and then on fault", "map 0-2 rw-p; mlock 0-2; mlock 0-2 onfault; mincore 0-2 = 11; has 0-2 rw-p lockedonfault")]
    [InlineData("twice, undone once", "map 0-2 rw-p; mlock 0-2; mlock 0-2; munlock 0-2; has 0-2 rw-p")]
    [InlineData("a part undone", "map 0-4 rw-p; mlock 0-4; munlock 1-2; has 0-1 rw-p locked, 1-2 rw-p, 2-4 rw-p locked")]
    [InlineData("over several areas", "map 0-2 rw-p; map 2-4 r--s memory+0; mlock 0-4; mincore 0-4 = 1111; has 0-2 rw-p locked, 2-4 r--s memory+0 locked")]
    [InlineData("of a private file gives it copies", "map 0-2 rw-p memory+0; mlock 0-2; map 4-6 rw-s memory+0; store 4 5; load 0 = 0; has 0-2 rw-p memory+0 locked, 4-6 rw-s memory+0")]
    [InlineData("a length of nothing", "mlock 0-0; has nothing")]
    [InlineData("undone where it was not", "map 0-2 rw-p; munlock 0-2; has 0-2 rw-p")]
    [InlineData("pages stay when it is undone", "map 0-2 rw-p; mlock 0-2; munlock 0-2; mincore 0-2 = 11; has 0-2 rw-p")]
    [InlineData("where only stores are allowed", "map 0-2 -w-p; mlock 0-2; has 0-2 -w-p locked")]
    [InlineData("of a file where only stores are allowed", "map 0-2 -w-s memory+0; mlock 0-2; has 0-2 -w-s memory+0 locked")]
    public void A_lock(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("where nothing is", "mlock 0-2 -> ENOMEM; has nothing")]
    [InlineData("a hole at the end, after what lies before it", "map 0-2 rw-p; mlock 0-3 -> ENOMEM; mincore 0-2 = 00; has 0-2 rw-p locked")]
    [InlineData("a hole inside, after what lies before it", "map 0-2 rw-p; map 3-4 rw-p; mlock 0-4 onfault -> ENOMEM; has 0-2 rw-p lockedonfault, 3-4 rw-p")]
    [InlineData("undone with a hole", "map 0-2 rw-p; map 3-4 rw-p; mlock 0-2; mlock 3-4; munlock 0-4 -> ENOMEM; has 0-2 rw-p, 3-4 rw-p locked")]
    [InlineData("what may not be accessed is locked all the same", "map 0-2 ---p; mlock 0-2 -> ENOMEM; has 0-2 ---p locked")]
    [InlineData("past the end of the file it is locked all the same", "map 0-4 rw-s small+8; mlock 0-4 -> ENOMEM; mincore 0-4 = 1100; has 0-4 rw-s small+8 locked")]
    [InlineData("beyond all addresses", "mlock end-end+1 -> ENOMEM; has nothing")]
    [InlineData("undone where nothing is", "map 0-2 rw-p; munlock 0-0; munlock 4-4; munlock 4-5 -> ENOMEM; has 0-2 rw-p")]
    public void A_lock_is_refused(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("what is mapped", "map 0-2 rw-p; mlockall current; map 4-6 rw-p; mincore 0-2 = 11; mincore 4-6 = 00; has 0-2 rw-p locked, 4-6 rw-p")]
    [InlineData("what will be mapped", "map 0-2 rw-p; mlockall future; map 4-6 rw-p; mincore 0-2 = 00; mincore 4-6 = 11; has 0-2 rw-p, 4-6 rw-p locked")]
    [InlineData("both", "map 0-2 rw-p; mlockall current future; map 4-6 r--p; mincore 4-6 = 11; has 0-2 rw-p locked, 4-6 r--p locked")]
    [InlineData("both, on fault", "map 0-2 rw-p; mlockall current future onfault; map 4-6 rw-p populate; mincore 0-2 = 00; mincore 4-6 = 00; has 0-2 rw-p lockedonfault, 4-6 rw-p lockedonfault")]
    [InlineData("a later one forgets what was to come", "mlockall future; mlockall current; map 0-2 rw-p; has 0-2 rw-p")]
    [InlineData("munlockall undoes all of it", "map 0-2 rw-p; mlockall current future; munlockall; map 4-6 rw-p; has 0-2 rw-p, 4-6 rw-p")]
    [InlineData("what may not be accessed is no error", "map 0-2 ---p; mlockall current; has 0-2 ---p locked")]
    [InlineData("what will be mapped past the end of a file is no error", "mlockall future; map 0-4 rw-s small+8; mincore 0-4 = 1100; has 0-4 rw-s small+8 locked")]
    [InlineData("what grows", "mlockall future; map 0-2 rw-p; mremap 0-2 for 4; mincore 0-4 = 1111; has 0-4 rw-p locked")]
    [InlineData("on fault, and a part at once", "mlockall current future onfault; map 0-4 rw-p; mremap 0-4 for 8; mlock 0-2; has 0-2 rw-p locked, 2-8 rw-p lockedonfault")]
    public void All_is_locked(string name, string script) => CaseScript.Runs(name, script);
}
