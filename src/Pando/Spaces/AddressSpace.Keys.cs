using System.Numerics;
using Pando.Hardware;

namespace Pando.Spaces;

/// <content>Protection keys: which are given out, and the one that makes memory execute-only.</content>
public sealed partial class AddressSpace
{
    private const int LeaveKey = -1;
    private const int NoKey = -1;

    // Which keys are given out, a bit each; protected by the space's lock. Key 0 is everybody's.
    private uint _keys = 1;
    private int _executeOnlyKey = NoKey;

    /// <summary>
    /// The key of memory that may only be executed (PROT_EXEC alone), so that no load reaches it; -1 until there was any, and on
    /// machines without <see cref="Machines.MachineOptions.ExecuteOnlyByKey"/>.
    /// </summary>
    /// <remarks>
    /// As on Linux (execute_only_pkey in arch/x86/mm/pkeys.c) the space takes it from those that are free when it first needs it, keeps
    /// it until <see cref="Clear"/>, and lends it to nobody; a child of fork has the same. What it denies stands in each processor's
    /// <see cref="ProtectionKeyRights"/>, which deny all keys but 0 from the beginning. Who has allowed a key, freed it, and
    /// finds it here takes its rights away again, as Linux does for the thread that maps; where none is free, memory that may
    /// only be executed can be loaded, too.
    /// </remarks>
    public int ExecuteOnlyKey => Volatile.Read(ref _executeOnlyKey);

    /// <summary>What the space's own operations are kept from: as if made by a thread that may use every key that it was given.</summary>
    private ProtectionKeyRights KeysOfOperations => ExecuteOnlyKey is > 0 and var key ? default(ProtectionKeyRights).With(key, Rights.None) : default;

    /// <summary>
    /// Gives out a protection key (pkey_alloc(2)): the lowest that is free. What a thread may do with it stands in its
    /// processor's <see cref="ProtectionKeyRights"/>.
    /// </summary>
    /// <param name="key">The key, from 1 on; -1 after an error.</param>
    /// <returns>ENOSPC if all are given out, or the format has none.</returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno AllocateKey(out int key)
    {
        ThrowIfExited();
        using var held = _lock.Write();
        ThrowIfExited();
        key = LowestFreeKey();
        _keys |= key > 0 ? 1u << key : 0;
        return key > 0 ? Errno.None : Errno.ENOSPC;
    }

    /// <summary>Takes a protection key back (pkey_free(2)). Memory that has it keeps it, and shares it with whatever is given it next.</summary>
    /// <returns>EINVAL if the key is not given out; key 0 is never free (Linux would give it out).</returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno FreeKey(int key)
    {
        ThrowIfExited();
        using var held = _lock.Write();
        ThrowIfExited();
        if (key == 0 || !IsKeyAllocated(key))
        {
            return Errno.EINVAL;
        }

        _keys &= ~(1u << key);
        return Errno.None;
    }

    /// <summary>Whether areas may be given the key: it was given out, and does not make memory execute-only (Linux: mm_pkey_is_allocated).</summary>
    private bool IsKeyAllocated(int key) => (uint)key < (uint)Store.Format.ProtectionKeys && key != _executeOnlyKey && (_keys & (1u << key)) != 0;

    /// <summary>The key that memory is given which may only be executed; -1 if there is none to be had. It is not taken yet.</summary>
    private int KeyForExecuteOnly() => !_memory.ExecuteOnlyByKey ? NoKey : _executeOnlyKey > 0 ? _executeOnlyKey : LowestFreeKey();

    private void TakeExecuteOnlyKey(int key)
    {
        _keys |= 1u << key;
        Volatile.Write(ref _executeOnlyKey, key);
    }

    private void InheritKeys(AddressSpace parent)
    {
        _keys = parent._keys;
        Volatile.Write(ref _executeOnlyKey, parent._executeOnlyKey);
    }

    private void ForgetKeys()
    {
        _keys = 1;
        Volatile.Write(ref _executeOnlyKey, NoKey);
    }

    private int LowestFreeKey() => BitOperations.TrailingZeroCount(~_keys) is var key && key < Store.Format.ProtectionKeys ? key : NoKey;
}
