using Pando.Spaces;

namespace Pando.Tests.Model;

/// <summary>What a run's world is made of.</summary>
/// <param name="Levels">4 or 5 of x86-64; 3 of the others.</param>
/// <param name="Sharing">At which levels tables are shared.</param>
/// <param name="LargePages">Whether there are leaves of 2 MiB.</param>
/// <param name="Processors">Whether accesses are made by software processors.</param>
/// <param name="ExecuteOnlyByKey">Whether execute-only memory has a protection key.</param>
/// <param name="Format">The format of the tables.</param>
/// <param name="LargestPages">Whether there are leaves of 1 GiB.</param>
internal sealed record WorldOptions(int Levels, SharingLevels Sharing, bool LargePages, bool Processors = false, bool ExecuteOnlyByKey = false, ModelFormat Format = ModelFormat.X64, bool LargestPages = false)
{
    /// <summary>Whether the format lets load what may be executed.</summary>
    public bool ExecuteImpliesRead => Format != ModelFormat.NoSlotRights;

    public string ToCode() => $"new WorldOptions({Levels}, (SharingLevels){(int)Sharing}, {(LargePages ? "true" : "false")}, {(Processors ? "true" : "false")}, {(ExecuteOnlyByKey ? "true" : "false")}{(Format == ModelFormat.X64 && !LargestPages ? "" : $", ModelFormat.{Format}")}{(LargestPages ? ", true" : "")})";

    /// <summary>The pages, as the model sees them.</summary>
    public ModelPage Page => Format == ModelFormat.LargeGranule ? new(1 << 16, 8192) : new(1 << 12, 512);

    /// <summary>What an entry of level 2 covers: 2 MiB, 512 MiB.</summary>
    public long Large => Page.Size * Page.InBlock;

    /// <summary>What one of level 3 covers: 1 GiB, 4 TiB.</summary>
    public long Larger => Large * Page.InBlock;
}
