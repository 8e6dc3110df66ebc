using Microsoft.Win32.SafeHandles;
using Pando.Hardware;

namespace Pando.Files;

/// <summary>A file of the host, mapped. Which file of the device lies where is not kept in it: metadata outlive nothing.</summary>
internal sealed class HostFileStorage : DeviceStorage
{
    private readonly SafeFileHandle _handle;
    private readonly NativeRegion _bytes;

    /// <summary>Opens the file, and makes it if it is not there or empty.</summary>
    /// <exception cref="IOException">It is too small for the device, or cannot be opened or made.</exception>
    public HostFileStorage(string path, long size)
    {
        _handle = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite);
        try
        {
            long length = RandomAccess.GetLength(_handle);
            if (length == 0)
            {
                RandomAccess.SetLength(_handle, size);
            }
            else if (length < size)
            {
                throw new IOException($"'{path}' has {length:N0} bytes, the device needs {size:N0}; make the file larger or the device smaller.");
            }

            _bytes = NativeRegion.MapFile(_handle, size, path);
        }
        catch
        {
            _handle.Dispose();
            throw;
        }
    }

    public override unsafe nint Address => (nint)_bytes.Base;

    public override void Clear(long offset, long length) => _bytes.Clear(offset, length);

    public override void Sync(long offset, long length) => _bytes.Sync(offset, length);

    public override void Dispose()
    {
        _bytes.Dispose();
        _handle.Dispose();
    }
}
