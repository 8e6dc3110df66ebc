using Pando.Hardware;

namespace Pando.Tables;

/// <summary>
/// Follows the memory of tables rather than the addresses that a flush names: a hypervisor that shadows tables keeps
/// what it derived from a table by the table's own address, for as long as that page may be a table.
/// </summary>
internal interface ITableWatcher
{
    /// <summary>
    /// An entry of the table has just lost something (it was taken out, narrowed or cleaned), or the table itself is
    /// about to be given back. Called after the change, mostly under the table's lock: it only notes.
    /// </summary>
    void Changed(Frame table);

    /// <summary>
    /// Frames are about to be handed out again. When it returns, nothing that depended on a table noted before the
    /// call is kept anywhere.
    /// </summary>
    void BeforeReuse();
}
