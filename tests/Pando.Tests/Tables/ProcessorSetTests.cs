using Pando.Tables;

namespace Pando.Tests.Tables;

public class ProcessorSetTests
{
    [Fact]
    public void It_has_what_was_put_in_and_not_taken_out_in_order()
    {
        var set = default(ProcessorSet);
        Assert.True(set.IsEmpty);
        int[] numbers = [0, 5, 63, 64, 127, 128, 1023, 1024, ProcessorSet.Capacity - 1];
        foreach (int number in numbers.Reverse())
        {
            set.Add(number);
            set.Add(number);
        }

        Assert.Equal(string.Join(", ", numbers), set.ToString());
        for (int number = 0; number < ProcessorSet.Capacity; number++)
        {
            Assert.Equal(numbers.Contains(number), set.Contains(number));
            Assert.Equal(numbers.FirstOrDefault(other => other >= number, -1), set.NextFrom(number));
        }

        foreach (int number in numbers)
        {
            set.Remove(number);
            Assert.False(set.Contains(number));
        }

        Assert.True(set.IsEmpty);
        Assert.Equal(-1, set.NextFrom(0));
        Assert.Equal(-1, set.NextFrom(ProcessorSet.Capacity));
    }

    [Fact]
    public void The_first_64_need_no_memory_beside_it()
    {
        var set = default(ProcessorSet);
        set.Add(0);
        set.Remove(0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int number = 0; number < 64; number++)
        {
            set.Add(number);
            Assert.False(set.IsEmpty);
            set.Remove(number);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Processors_of_many_threads_lose_no_mark()
    {
        // All at once, so that they meet in making room for those past the 64th.
        for (int round = 0; round < 50; round++)
        {
            var holder = new Holder();
            Parallel.For(0, 8, thread =>
            {
                for (int number = thread; number < 512; number += 8)
                {
                    holder.Set.Add(number);
                }
            });
            Assert.All(Enumerable.Range(0, 512), number => Assert.True(holder.Set.Contains(number)));
            Assert.Equal(-1, holder.Set.NextFrom(512));
        }
    }

    private sealed class Holder
    {
        public ProcessorSet Set;
    }
}
