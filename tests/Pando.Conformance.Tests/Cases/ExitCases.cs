using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>Processes that end; what they had is given back, which every case checks at its end.</summary>
public class ExitCases
{
    [Theory]
    [InlineData("with private memory", "map 0-4 rw-p; store 0 1; fork 1; 1: store 0 2; 1: store 1 3; 1: exit; load 0 = 1; load 1 = 0; has 0-4 rw-p")]
    [InlineData("with shared memory of its own", "fork 1; 1: map 0-4 rw-s; 1: store 0 1; 1: exit; has nothing")]
    [InlineData("with a file that it alone mapped", "fork 1; 1: map 0-4 rw-s memory+0; 1: store 0 1; 1: exit; map 0-4 r--s memory+0; load 0 = 1; has 0-4 r--s memory+0")]
    [InlineData("with locked and sealed memory", "fork 1; 1: map 0-4 rw-p; 1: mlock 0-4; 1: mseal 0-4; 1: exit; has nothing")]
    [InlineData("with what it moved", "map 0-4 rw-p; store 0 1; fork 1; 1: mremap 0-4 to 10-14; 1: exit; load 0 = 1; has 0-4 rw-p")]
    [InlineData("between its parent and its child", "map 0-4 rw-p; store 0 1; fork 1; 1: fork 2; 1: exit; 2: store 0 2; load 0 = 1; 2: exit; store 0 3; load 0 = 3; has 0-4 rw-p")]
    [InlineData("and another takes its place", "map 0-4 rw-p; store 0 1; fork 1; 1: exit; store 0 2; fork 1; 1: load 0 = 2; has 0-4 rw-p; 1: has 0-4 rw-p")]
    [InlineData("with many tables", "fork 1; 1: map 1G-3G rw-p; 1: store 1G 1; 1: store 2G 2; 1: store 2G+512M 3; 1: exit; has nothing")]
    public void A_process_ends(string name, string script) => CaseScript.Runs(name, script);
}
