using Pando.Intervals;

namespace Pando.Tests.Intervals;

public sealed class NativeQueueTests
{
    [Fact]
    public void What_is_added_comes_out_in_the_same_order_whatever_was_taken_out_meanwhile()
    {
        var queue = new NativeQueue<long>();
        var model = new Queue<long>();
        var random = new Random(1);
        for (long i = 0; i < 5000; i++)
        {
            if (random.Next(100) < (i < 2500 ? 60 : 40))
            {
                queue.Add(i);
                model.Enqueue(i);
            }
            else if (model.TryDequeue(out long expected))
            {
                Assert.True(queue.TryPeek(out long first));
                Assert.Equal(expected, first);
                queue.RemoveFirst();
            }
            else
            {
                Assert.False(queue.TryPeek(out _));
                Assert.Throws<InvalidOperationException>(queue.RemoveFirst);
            }

            Assert.Equal(model.Count, queue.Count);
        }

        Assert.Equal(model, queue.ToList());
    }
}
