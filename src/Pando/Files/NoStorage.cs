namespace Pando.Files;

/// <summary>A device that has addresses and no bytes.</summary>
internal sealed class NoStorage : DeviceStorage
{
    public override nint Address => 0;

    public override void Clear(long offset, long length)
    {
    }

    public override void Dispose()
    {
    }
}
