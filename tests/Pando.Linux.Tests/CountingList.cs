using System.Collections;

namespace Pando.Linux.Tests;

/// <summary>A list that counts how often somebody looks at an item of it.</summary>
internal sealed class CountingList<T>(IReadOnlyList<T> items, Counter looks) : IReadOnlyList<T>
{
    public int Count => items.Count;

    public T this[int index]
    {
        get
        {
            looks.Count++;
            return items[index];
        }
    }

    public IEnumerator<T> GetEnumerator()
    {
        foreach (var item in items)
        {
            looks.Count++;
            yield return item;
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
