using Pando.Hardware;

namespace Pando.Files;

/// <summary>Anonymous memory of the host: nothing of it outlives the machine, so that there is nothing to make durable.</summary>
internal sealed class SparseStorage(long size) : DeviceStorage
{
    private readonly NativeRegion _bytes = NativeRegion.Reserve(size);

    public override unsafe nint Address => (nint)_bytes.Base;

    public override void Clear(long offset, long length) => _bytes.Clear(offset, length);

    public override void Dispose() => _bytes.Dispose();
}
