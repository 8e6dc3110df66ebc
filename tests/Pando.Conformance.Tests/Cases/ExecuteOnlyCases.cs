using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>
/// Memory that may only be executed. On a processor with protection keys Linux gives it one that keeps loads away
/// (execute_only_pkey); elsewhere it can be loaded. "-?>" says what comes of it with the key.
/// </summary>
public class ExecuteOnlyCases
{
    [Theory]
    [InlineData("mapped so", "map 0-2 --xp; load 0 = 0 -?> DeniedByKey; has 0-2 --xp")]
    [InlineData("a shared file", "map 0-2 --xs memory+0; load 1 = 0 -?> DeniedByKey; has 0-2 --xs memory+0")]
    [InlineData("stores", "map 0-2 --xp; store 0 -> NotAllowed -?> DeniedByKey; has 0-2 --xp")]
    [InlineData("where nothing is mapped", "map 0-2 --xp; load 2 -> NotMapped; has 0-2 --xp")]
    [InlineData("made so", "map 0-2 rw-p; store 0 7; mprotect 0-2 --x; load 0 = 7 -?> DeniedByKey; has 0-2 --xp")]
    [InlineData("made so and back", "map 0-2 rw-p; store 0 7; mprotect 0-2 --x; mprotect 0-2 rw-; load 0 = 7; store 0 8; has 0-2 rw-p")]
    [InlineData("made so and then read-only", "map 0-2 rw-p; store 0 7; mprotect 0-2 --x; mprotect 0-2 r-x; load 0 = 7; has 0-2 r-xp")]
    [InlineData("made so and then nothing", "map 0-2 rw-p; store 0 7; mprotect 0-2 --x; mprotect 0-2 ---; load 0 -> NotAllowed; mprotect 0-2 r--; load 0 = 7; has 0-2 r--p")]
    [InlineData("a part made so", "map 0-4 rw-p; store 1 7; mprotect 1-2 --x; load 1 = 7 -?> DeniedByKey; load 0 = 0; store 2 1; has 0-1 rw-p, 1-2 --xp, 2-4 rw-p")]
    [InlineData("mapped and made so are one area", "map 0-2 rw-p; mprotect 0-2 --x; map 2-4 --xp; has 0-4 --xp")]
    [InlineData("beside what can be loaded too", "map 0-2 r-xp; map 2-4 --xp; load 1 = 0; load 2 = 0 -?> DeniedByKey; has 0-2 r-xp, 2-4 --xp")]
    [InlineData("of what was there already, so that nothing changes", "map 0-2 --xp; mprotect 0-2 --x; load 0 = 0 -?> DeniedByKey; has 0-2 --xp")]
    [InlineData("a mapping that is refused", "map 0-2 rw-p; map 0-2 --xp noreplace -> EEXIST; load 0 = 0; has 0-2 rw-p")]
    [InlineData("a file that was not opened for it stays", "map 0-2 r--s readonly+0; mprotect 0-2 -wx -> EACCES; mprotect 0-2 --x; load 0 = 0 -?> DeniedByKey; has 0-2 --xs memory+0")]
    public void Loads_are_kept_away_by_a_key_or_not_at_all(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("moved", "map 0-2 rw-p; store 0 7; mprotect 0-2 --x; mremap 0-2 to 8-10; load 8 = 7 -?> DeniedByKey; mprotect 8-10 r--; load 8 = 7; has 8-10 r--p")]
    [InlineData("moved, and left behind", "map 0-2 rw-p; store 0 7; mprotect 0-2 --x; mremap 0-2 dontunmap near 8; load 0 = 0 -?> DeniedByKey; load 8 = 7 -?> DeniedByKey; has 0-2 --xp, 8-10 --xp")]
    [InlineData("longer", "map 0-2 --xp; mremap 0-2 for 4; load 3 = 0 -?> DeniedByKey; has 0-4 --xp")]
    [InlineData("cut", "map 0-4 --xp; munmap 1-2; load 0 = 0 -?> DeniedByKey; load 3 = 0 -?> DeniedByKey; has 0-1 --xp, 2-4 --xp")]
    [InlineData("a part joined again", "map 0-4 --xp; munmap 1-2; map 1-2 --xp; has 0-4 --xp")]
    [InlineData("forked", "map 0-2 rw-p; store 0 7; mprotect 0-2 --x; fork 1; 1: load 0 = 7 -?> DeniedByKey; 1: mprotect 0-2 rw-; 1: load 0 = 7; 1: store 0 8; mprotect 0-2 r--; load 0 = 7; has 0-2 r--p; 1: has 0-2 rw-p")]
    [InlineData("forked before there was any", "map 0-2 rw-p; fork 1; 1: mprotect 0-2 --x; 1: load 0 = 0 -?> DeniedByKey; load 0 = 0; mprotect 0-2 --x; load 0 = 0 -?> DeniedByKey; has 0-2 --xp; 1: has 0-2 --xp")]
    [InlineData("a file under two kinds of mapping", "map 0-2 --xs memory+0; map 4-6 rw-s memory+0; store 4 7; load 0 = 7 -?> DeniedByKey; mprotect 0-2 r--; load 0 = 7; has 0-2 r--s memory+0, 4-6 rw-s memory+0")]
    [InlineData("a file punched", "map 0-2 r--s memory+0; map 4-6 rw-s memory+0; store 4 7; load 0 = 7; mprotect 0-2 --x; punch memory 0-1; load 0 = 0 -?> DeniedByKey; mprotect 0-2 r--; load 0 = 0; has 0-2 r--s memory+0, 4-6 rw-s memory+0")]
    [InlineData("past the end of a file", "map 0-2 --xs small+20; load 0 -> BusError -?> DeniedByKey; has 0-2 --xs small+20")]
    [InlineData("sealed", "map 0-2 --xp; mseal 0-2; mprotect 0-2 r-- -> EPERM; load 0 = 0 -?> DeniedByKey; has 0-2 --xp sealed")]
    public void What_has_the_key_keeps_it_through_other_operations(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("populated", "map 0-2 --xp populate; mincore 0-2 = 11 -?> 00; load 0 = 0 -?> DeniedByKey; has 0-2 --xp")]
    [InlineData("a file's pages populated", "map 0-2 --xs small+0 populate; mincore 0-2 = 11 -?> 00; has 0-2 --xs small+0")]
    [InlineData("locked", "map 0-2 --xs small+0; mlock 0-2 -?> ENOMEM; mincore 0-2 = 11 -?> 00; has 0-2 --xs small+0 locked")]
    [InlineData("locked beside what can be had", "map 0-2 rw-s small+0; map 2-4 --xs small+2; map 4-6 rw-s small+4; mlock 0-6 -?> ENOMEM; mincore 0-6 = 111111 -?> 110000; has 0-2 rw-s small+0 locked, 2-4 --xs small+2 locked, 4-6 rw-s small+4 locked")]
    [InlineData("locked, and executable later", "map 0-2 rw-s small+0; mlock 0-2; mprotect 0-2 --x; load 0 = 0 -?> DeniedByKey; munlock 0-2; mlock 0-2 -?> ENOMEM; has 0-2 --xs small+0 locked")]
    [InlineData("with all that is mapped", "map 0-2 --xs small+0; mlockall current; mincore 0-2 = 11 -?> 00; has 0-2 --xs small+0 locked")]
    [InlineData("with all that will be", "mlockall future; map 0-2 --xs small+0; mincore 0-2 = 11 -?> 00; has 0-2 --xs small+0 locked")]
    [InlineData("longer, locked", "map 0-2 --xs small+0; mlock 0-2 -?> ENOMEM; mremap 0-2 for 4; mincore 0-4 = 1111 -?> 0000; has 0-4 --xs small+0 locked")]
    [InlineData("read ahead", "map 0-2 --xs small+0; madvise 0-2 PopulateRead -> EINVAL; mincore 0-2 = 00; has 0-2 --xs small+0")]
    [InlineData("dropped", "map 0-2 rw-p; store 0 7; mprotect 0-2 --x; madvise 0-2 DontNeed; load 0 = 0 -?> DeniedByKey; mprotect 0-2 r--; load 0 = 0; has 0-2 r--p")]
    public void What_may_not_be_loaded_is_not_faulted_in(string name, string script) => CaseScript.Runs(name, script);
}
