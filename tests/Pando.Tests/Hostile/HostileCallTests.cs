using System.Diagnostics;
using System.Reflection;
using System.Runtime.CompilerServices;
using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Intervals;
using Pando.Machines;
using Pando.Platforms;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Tests.Hostile;

/// <summary>
/// Calls every public member of every public type of the library with hostile values, on objects that live and on what is left
/// of them. Each call succeeds, or fails in a way that its documentation names and changes nothing; the machine stays sound,
/// nothing is lost, and no call takes more than a bounded number of steps.
/// </summary>
/// <remarks>New members and types are found by reflection; a parameter of a type that is not known here fails the test.</remarks>
public sealed class HostileCallTests
{
    private const int MostOfOneMember = 400;
    private const int MostSteps = 3_000_000;

    // What no caller may ever see, whatever the documentation says.
    private static readonly Type[] Mistakes =
    [
        typeof(NullReferenceException), typeof(IndexOutOfRangeException), typeof(ArithmeticException), typeof(InvalidCastException), typeof(KeyNotFoundException),
        typeof(UnreachableException), typeof(NotImplementedException), typeof(OutOfMemoryException), typeof(AccessViolationException), typeof(ArrayTypeMismatchException), typeof(LockOrderException),
    ];

    // What has done a part of its work when it fails, as its documentation says.
    private static readonly HashSet<string> DoneInParts =
    [
        // A fault that cannot be resolved may have brought the tables on the way.
        nameof(AddressSpace.Fault), nameof(AddressSpace.Populate), "TryRead", "TryWrite", "TryFetch", "TryAdd", "TryTranslate", "TryExchange", nameof(UserMemory.Read), nameof(UserMemory.Write),
        nameof(AddressSpace.Advise), nameof(AddressSpace.LockMemory), nameof(AddressSpace.UserCopy), nameof(AddressSpace.UserZero), nameof(AddressSpace.UserContinue),
        nameof(PmemDevice.Migrate),
    ];

    // PANDO_HOSTILE_LOG: a file for the call that is under way, should it end the process. PANDO_HOSTILE_ONLY: types with that in their name.
    private static readonly string? Log = Environment.GetEnvironmentVariable("PANDO_HOSTILE_LOG");
    private static readonly string Only = Environment.GetEnvironmentVariable("PANDO_HOSTILE_ONLY") ?? "";

    private static readonly Documentation Documented = new();

    // Reflection calls nothing of a ref struct; those of Pando.Platforms are called in Pando.Seam.Tests.
    public static TheoryData<string> Types =>
        [.. typeof(Machine).Assembly.GetExportedTypes().Where(type => !type.IsEnum && !type.IsInterface && !type.IsByRefLike && !typeof(Delegate).IsAssignableFrom(type)).Select(type => type.FullName!).Where(name => System.Text.RegularExpressions.Regex.IsMatch(name, Only)).Order()];

    [Theory]
    [MemberData(nameof(Types))]
    public void Every_member_answers_hostile_values(string typeName)
    {
        var type = typeof(Machine).Assembly.GetType(typeName)!;
        if (type.IsGenericTypeDefinition)
        {
            type = type.MakeGenericType([.. type.GetGenericArguments().Select(_ => typeof(Present))]);
        }

        using var run = new Run();
        foreach (var member in Members(type))
        {
            run.Try(type, member);
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{run.Calls:N0} calls, {run.Worlds:N0} worlds");
        Assert.True(run.Failures.Count == 0, $"{run.Failures.Values.Sum(kind => kind.Count)} of {run.Calls:N0} calls, of each kind the first:{Environment.NewLine}{string.Join(Environment.NewLine, run.Failures.Values.Select(kind => $"{kind.Count} x {kind.First}"))}");
    }

    private static IEnumerable<MethodBase> Members(Type type)
    {
        const BindingFlags all = BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static;
        if (!type.IsAbstract)
        {
            foreach (var constructor in type.GetConstructors())
            {
                yield return constructor;
            }
        }

        // An abstract class's own members are called on what is made of it; its static ones here.
        foreach (var method in type.GetMethods(all).Where(method => method.DeclaringType != typeof(object) && (!type.IsAbstract || method.IsStatic) && method.Name != "<Clone>$"))
        {
            yield return method.IsGenericMethodDefinition ? method.MakeGenericMethod([.. method.GetGenericArguments().Select(argument => IsExtents(argument) ? typeof(ExtentList) : typeof(long))]) : method;
            if (method.IsGenericMethodDefinition && !method.GetGenericArguments().Any(IsExtents))
            {
                yield return method.MakeGenericMethod(typeof(Large));
            }
        }
    }

    private static bool IsExtents(Type argument) => argument.GetGenericParameterConstraints().Contains(typeof(IExtents));

    /// <summary>More than a page.</summary>
    [InlineArray(5000)]
    private struct Large
    {
        private byte _first;
    }

    private sealed class Run : IDisposable
    {
        private HostileWorld _world = new();
        private readonly Dictionary<Type, IReadOnlyList<(string Name, object? Value)>> _values = [];
        private readonly Dictionary<Type, List<(string Name, object? Instance)>> _instances = [];
        private readonly Timer _watch;
        private string? _state;
        private string _current = "";
        private int _seen;

        public Run() => _watch = new Timer(_ => EndIfStuck(), null, TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(2));

        /// <summary>What went wrong, by kind: how often, and in which call first.</summary>
        public Dictionary<string, (int Count, string First)> Failures { get; } = [];

        public int Calls { get; private set; }

        public int Worlds { get; private set; } = 1;

        public void Dispose()
        {
            _watch.Dispose();
            _world.Dispose();
        }

        /// <summary>A loop that passes no point of a schedule cannot be broken off: it is told, and all ends.</summary>
        private void EndIfStuck()
        {
            if (Calls == _seen && _current.Length > 0)
            {
                Environment.FailFast($"A hostile call does not end: {_current}");
            }

            _seen = Calls;
        }

        public void Try(Type type, MethodBase member)
        {
            var invoke = SpanCalls.For(member) ?? ((instance, arguments) => member is ConstructorInfo constructor ? constructor.Invoke(arguments) : member.Invoke(instance, arguments));
            int instances = member.IsStatic || member.IsConstructor ? 1 : Instances(type).Count;
            for (int instance = 0; instance < instances; instance++)
            {
                int[] counts = [.. SpanCalls.ParametersOf(member).Select(parameter => ValuesOf(parameter).Count)];
                int most = Math.Max(MostOfOneMember / Math.Max(1, instances / 4), 30);
                if (counts.Length == 1)
                {
                    most = Math.Max(most, counts[0]);
                }

                foreach (int[] choice in Choices.Of(counts, most))
                {
                    Call(type, member, instance, choice, invoke);
                }
            }
        }

        private List<(string Name, object? Instance)> Instances(Type type)
        {
            if (!_instances.TryGetValue(type, out var instances))
            {
                _instances.Add(type, instances = MakeInstances(type));
            }

            return instances;
        }

        private List<(string Name, object? Instance)> MakeInstances(Type type)
        {
            var known = _world.Instances(type).Select(pair => (pair.Name, (object?)pair.Instance)).ToList();
            if (known.Count > 0 || typeof(MappedFile).IsAssignableFrom(type) || typeof(TableOwner).IsAssignableFrom(type))
            {
                return known;
            }

            return type == typeof(X64Format)
                ? [("four levels", X64Format.FourLevels), ("five levels", X64Format.FiveLevels)]
                : [.. new HostileValues(_world).Made(type, depth: 1), .. type.GetConstructor([]) is { } simple ? [("new", simple.Invoke(null))] : Array.Empty<(string, object?)>()];
        }

        private IReadOnlyList<(string Name, object? Value)> ValuesOf(ParameterInfo parameter)
        {
            if (parameter.IsOut)
            {
                return [("out", null)];
            }

            if (!_values.TryGetValue(parameter.ParameterType, out var values))
            {
                _values.Add(parameter.ParameterType, values = SpanCalls.ValuesOf(parameter.ParameterType) ?? new HostileValues(_world).Of(parameter.ParameterType));
            }

            return values;
        }

        private void Call(Type type, MethodBase member, int instanceNumber, int[] choice, Func<object?, object?[], object?> invoke)
        {
            Calls++;
            var (instanceName, instance) = member.IsStatic || member.IsConstructor ? ("", null) : Instances(type)[instanceNumber];
            var parameters = SpanCalls.ParametersOf(member);
            var values = parameters.Select((parameter, i) => ValuesOf(parameter)[choice[i]]).ToArray();
            object?[] arguments = [.. values.Select(value => value.Value)];
            string call = $"{(instanceName.Length > 0 ? $"({instanceName})" : type.Name)}.{member.Name}({string.Join(", ", values.Select(value => value.Name))})";
            _current = call;
            if (Log is not null)
            {
                File.WriteAllText(Log, call);
            }

            string before = _state ??= _world.State();
            Schedule.Controller = new Bound();
            object? result = null;
            Exception? failure = null;
            try
            {
                result = invoke(instance, arguments);
                failure = Look(result);
            }
            catch (TargetInvocationException wrapped)
            {
                failure = wrapped.InnerException;
            }
            catch (Exception exception)
            {
                failure = exception;
            }
            finally
            {
                Schedule.Controller = null;
            }

            if (failure is not null)
            {
                CheckException(member, parameters, arguments, failure, call);
            }

            var error = result is Errno errno ? errno : result is MapResult { Succeeded: false } refused ? refused.Error : Errno.None;
            if (error != Errno.None && member.DeclaringType != typeof(MapResult) && !Documented.Words(member).Contains(error.ToString(), StringComparison.Ordinal))
            {
                Fail(member, $"{error}", $"{call} says {error}, which is not documented");
            }

            Check(member, call, before, failed: failure is not null || error != Errno.None);
            if (result is IDisposable made && (result is Machine || !ReferenceEquals(made, instance)) && result is not MappedFile and not PmemDevice)
            {
                made.Dispose();
            }
        }

        /// <summary>Looks at what a call has returned: it can be told in words, and gone through.</summary>
        private static Exception? Look(object? result)
        {
            if (result is null || result.GetType().Assembly != typeof(Machine).Assembly)
            {
                return null;
            }

            _ = result.ToString();
            _ = result.GetHashCode();
            return null;
        }

        private void CheckException(MethodBase member, ParameterInfo[] parameters, object?[] arguments, Exception failure, string call)
        {
            bool isMistake = Mistakes.Any(mistake => mistake.IsInstanceOfType(failure) && failure is not InsufficientMemoryException) || failure.GetType().FullName!.Contains("DebugAssert", StringComparison.Ordinal) || failure is Bound.ExceededException;
            bool saysNull = failure is ArgumentNullException && parameters.Where((parameter, i) => arguments[i] is null && !parameter.IsOut).Any();
            MemberInfo documented = member is MethodInfo { IsSpecialName: true } method && PropertyOf(method) is { } property ? property : member;
            if (isMistake || (!saysNull && !Documented.Names(documented, failure.GetType())))
            {
                string where = (failure.StackTrace ?? "").Split('\n').Select(line => line.Trim()).FirstOrDefault(line => line.StartsWith("at Pando.", StringComparison.Ordinal) && !line.Contains("Tests", StringComparison.Ordinal)) ?? "";
                Fail(member, $"{failure.GetType()} {where}", $"{call} throws {failure.GetType().Name}{(isMistake ? "" : ", which is not documented")}: {failure.Message} {where}");
            }
        }

        private void Fail(MethodBase member, string kind, string text)
        {
            string key = $"{member.Name}({member.GetParameters().Length}): {kind}";
            var (count, first) = Failures.GetValueOrDefault(key, (0, text));
            Failures[key] = (count + 1, first);
        }

        private static PropertyInfo? PropertyOf(MethodInfo accessor) =>
            accessor.DeclaringType!.GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static).FirstOrDefault(property => property.GetMethod == accessor || property.SetMethod == accessor);

        /// <summary>The world is as it was after a failure, and sound in any case; after a change it is made anew.</summary>
        private void Check(MethodBase member, string call, string before, bool failed)
        {
            try
            {
                if (_world.State() == before)
                {
                    return;
                }

                if (failed && !DoneInParts.Contains(member.Name))
                {
                    Fail(member, "changed", $"{call} fails, and has changed something");
                }

                _world.Audit();
            }
            catch (Exception unsound) when (unsound is not ObjectDisposedException)
            {
                Fail(member, "unsound", $"{call} leaves the machine unsound: {unsound.Message} {unsound.StackTrace?.Split('\n').FirstOrDefault()}");
            }
            catch (ObjectDisposedException)
            {
                // The machine itself was disposed of.
            }

            _world.Dispose();
            _world = new HostileWorld();
            _values.Clear();
            _instances.Clear();
            _state = null;
            Worlds++;
        }
    }

    /// <summary>Counts the steps of a call, and fails where it waits for what nobody will give.</summary>
    private sealed class Bound : IScheduleController
    {
        private int _steps;

        public void Reach(SchedulePoint point, long what)
        {
            if (point == SchedulePoint.LockWaiting)
            {
                throw new ExceededException("it waits for a lock that nobody holds any more");
            }

            if (++_steps > MostSteps)
            {
                throw new ExceededException($"it has made {MostSteps:N0} steps");
            }
        }

        public sealed class ExceededException(string message) : Exception(message);
    }
}
