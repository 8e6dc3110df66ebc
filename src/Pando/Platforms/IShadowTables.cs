using Pando.Hardware;

namespace Pando.Platforms;

/// <summary>
/// What was derived from tables and is found by the table's own address, not by those that it translates: a hypervisor that shadows tables keeps
/// it for as long as the page may be a table.
/// </summary>
/// <remarks>Called on any thread, several at a time, under any lock of the library; see <see cref="IPlatformProcessor"/>.</remarks>
public interface IShadowTables
{
    /// <summary>
    /// An entry of a table has just lost something (it was taken out, narrowed or cleaned), or the table itself is about to be given
    /// back. Called after the change, mostly under the table's lock: it only notes. Tables of spaces that the processor has never loaded
    /// are not told.
    /// </summary>
    /// <param name="table">The table's physical address.</param>
    void Changed(PhysicalAddress table);

    /// <summary>
    /// Frames are about to be handed out again. When it returns, nothing that was derived from a table told of before the call is
    /// kept anywhere.
    /// </summary>
    void BeforeReuse();
}
