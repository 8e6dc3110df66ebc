using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Tests.Model;

/// <summary>A range of addresses that is mapped in one way.</summary>
internal readonly record struct ModelArea(ulong Start, ulong End, Rights Rights, bool Shared, ModelFile? File, long Offset, AreaFlags Flags = AreaFlags.None, int Key = 0)
{
    public ModelArea From(ulong start) => this with { Start = start, Offset = File is null ? 0 : Offset + (long)(start - Start) };

    public ModelArea To(ulong end) => this with { End = end };

    public bool ContinuesIn(ModelArea next) =>
        End == next.Start && Rights == next.Rights && Key == next.Key && Flags == next.Flags && Shared == next.Shared && File == next.File
        && (File is null || Offset + (long)(End - Start) == next.Offset);

    public override string ToString() =>
        $"0x{Start:x}-0x{End:x} {Rights} {(Shared ? "shared" : "private")} {File?.Name ?? "anonymous"}+0x{Offset:x}";
}
