using Pando.Files;
using Pando.Hardware;

namespace Pando.Tests.Files;

/// <summary>Storage that lets a test do something whenever metadata change or are made durable.</summary>
internal sealed class CallingStorage(long size) : DeviceStorage
{
    private readonly NativeRegion _bytes = NativeRegion.Reserve(size);

    public long Size => size;

    public Action? Changing { get; set; }

    public Action? SyncingMetadata { get; set; }

    public override unsafe nint Address => (nint)_bytes.Base;

    public override void Clear(long offset, long length)
    {
        // A region that was reserved reads as zeroes, and no place is taken twice.
    }

    public override void Changed(DaxFile file) => Changing?.Invoke();

    public override void SyncMetadata(DaxFile file) => SyncingMetadata?.Invoke();

    public override void Dispose() => _bytes.Dispose();
}
