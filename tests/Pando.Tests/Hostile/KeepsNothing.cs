using Pando.Hardware;
using Pando.Platforms;

namespace Pando.Tests.Hostile;

/// <summary>A processor of another kind, and a shadow of tables, that keep nothing.</summary>
internal sealed class KeepsNothing : IPlatformProcessor, IShadowTables
{
    public static KeepsNothing Instance { get; } = new();

    public FlushAnswer Flush(in FlushRequest request) => request.Answer(kept: false);

    public void Changed(PhysicalAddress table)
    {
    }

    public void BeforeReuse()
    {
    }
}
