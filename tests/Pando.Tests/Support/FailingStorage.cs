using Pando.Files;

namespace Pando.Tests.Support;

/// <summary>Storage in anonymous memory whose calls fail where a test says so. What it was to clear then holds bytes of any kind.</summary>
internal sealed class FailingStorage(long size) : DeviceStorage
{
    private const byte AnyKind = 0xa5;

    private readonly SparseStorage _bytes = new(size);

    /// <summary>Asked at each call: whether it fails.</summary>
    public Func<bool>? FailNext { get; set; }

    public override nint Address => _bytes.Address;

    public override unsafe void Clear(long offset, long length)
    {
        if (Fails())
        {
            new Span<byte>((byte*)Address + offset, (int)Math.Min(length, 1 << 21)).Fill(AnyKind);
            throw new IOException($"{length:N0} bytes at {offset:N0} cannot be cleared, as the test has it.");
        }

        _bytes.Clear(offset, length);
    }

    public override void Sync(long offset, long length)
    {
        if (Fails())
        {
            throw new IOException($"{length:N0} bytes at {offset:N0} cannot be made durable, as the test has it.");
        }
    }

    public override void SyncMetadata(DaxFile file)
    {
        if (Fails())
        {
            throw new IOException($"The metadata of {file.Name} cannot be made durable, as the test has it.");
        }
    }

    public override void Dispose() => _bytes.Dispose();

    private bool Fails() => FailNext is { } fails && fails();
}
