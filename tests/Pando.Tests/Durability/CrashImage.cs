using Pando.Files;

namespace Pando.Tests.Durability;

/// <summary>What a device holds after a crash.</summary>
internal sealed class CrashImage(ForgettingStorage storage, int seed, int kind, Dictionary<DaxFile, (int Change, Metadata? Metadata)> files)
{
    /// <summary>The last change of a file's metadata that is there.</summary>
    public int ChangeOf(DaxFile file) => files[file].Change;

    /// <summary>The file's metadata; null where there is no such file.</summary>
    public Metadata? MetadataOf(DaxFile file) => files[file].Metadata;

    /// <summary>The 8 bytes at an offset of a file that is there; 0 in a hole.</summary>
    public ulong Read(DaxFile file, long offset)
    {
        foreach (var extent in files[file].Metadata!.Extents)
        {
            if (offset >= extent.FileOffset && offset < extent.FileEnd)
            {
                return ReadDevice(extent.DeviceOffset + (offset - extent.FileOffset));
            }
        }

        return 0;
    }

    /// <summary>The 8 bytes at an offset of the device.</summary>
    public ulong ReadDevice(long offset)
    {
        // Of each line either what was synced or what was stored last; in some images of all lines the same.
        bool live = kind switch
        {
            0 => false,
            1 => true,
            _ => ((((ulong)offset / ForgettingStorage.LineSize * 0x9e37_79b9_7f4a_7c15) ^ ((ulong)seed * 0xc2b2_ae3d_27d4_eb4f)) * 0x1656_67b1_9e37_79f9 >> 63) == 0,
        };
        return storage.Read(offset, live);
    }
}
