using System.Runtime.InteropServices;

namespace Pando.Exec.Native;

/// <summary>struct stat of x86-64 (asm/stat.h).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct HostStat
{
    internal ulong Device;
    internal ulong Inode;
    internal ulong Links;
    internal uint Mode;
    internal uint User;
    internal uint Group;
    internal uint Padding;
    internal ulong SpecialDevice;
    internal long Size;
    internal long BlockSize;
    internal long Blocks;
    internal long AccessSeconds;
    internal long AccessNanoseconds;
    internal long ModifySeconds;
    internal long ModifyNanoseconds;
    internal long ChangeSeconds;
    internal long ChangeNanoseconds;
    internal long Unused0;
    internal long Unused1;
    internal long Unused2;

    internal readonly bool IsRegular => (Mode & 0xF000) == 0x8000;

    internal readonly bool IsDirectory => (Mode & 0xF000) == 0x4000;

    internal readonly bool IsCharacterDevice => (Mode & 0xF000) == 0x2000;
}
