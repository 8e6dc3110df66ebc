using Pando.Hardware;

namespace Pando.Tests.Model;

/// <content>Protection keys. Who accesses may use all that were given out, and not the one that makes memory execute-only.</content>
internal sealed partial class ModelSpace
{
    private readonly HashSet<int> _keys = [0];

    /// <summary>-1 until there is one.</summary>
    public int ExecuteOnlyKey { get; private set; } = -1;

    public bool IsDenied(ModelArea area, AccessKind access) => access != AccessKind.Execute && area.Key > 0 && area.Key == ExecuteOnlyKey;

    public (Errno Error, int Key) TakeKey()
    {
        int key = FreeKey();
        return key > 0 && _keys.Add(key) ? (Errno.None, key) : (Errno.ENOSPC, -1);
    }

    public Errno GiveKey(int key) => key != 0 && IsGiven(key) && _keys.Remove(key) ? Errno.None : Errno.EINVAL;

    /// <summary>The key of a new mapping.</summary>
    public int KeyFor(Rights rights) => rights == Rights.Execute ? TakeExecuteOnlyKey(otherwise: 0) : 0;

    private bool IsGiven(int key) => key != ExecuteOnlyKey && _keys.Contains(key);

    private int FreeKey() => Enumerable.Range(1, protectionKeys - 1).FirstOrDefault(key => !_keys.Contains(key), -1);

    private int TakeExecuteOnlyKey(int otherwise)
    {
        if (executeOnlyByKey && ExecuteOnlyKey < 0 && FreeKey() is > 0 and var key)
        {
            ExecuteOnlyKey = key;
            _keys.Add(key);
        }

        return ExecuteOnlyKey > 0 ? ExecuteOnlyKey : otherwise;
    }

    /// <summary>What mprotect without a key makes of an area's.</summary>
    private int KeyAfter(ModelArea area, Rights rights) =>
        rights == Rights.Execute ? TakeExecuteOnlyKey(area.Key)
        : area.Rights == Rights.Execute && area.Key == ExecuteOnlyKey ? 0
        : area.Key;

    private void ForgetKeys()
    {
        _keys.Clear();
        _keys.Add(0);
        ExecuteOnlyKey = -1;
    }
}
