using System.Reflection;
using System.Text;
using System.Xml.Linq;
using Pando.Machines;

namespace Pando.Tests.Hostile;

/// <summary>What the library's documentation says of a member: which exceptions it throws, and all of its words.</summary>
internal sealed class Documentation
{
    private readonly Dictionary<string, XElement> _members;

    public Documentation()
    {
        var document = XDocument.Load(Path.ChangeExtension(typeof(Machine).Assembly.Location, ".xml"));
        _members = document.Descendants("member").ToDictionary(member => (string)member.Attribute("name")!);
    }

    public string Words(MemberInfo member) => string.Join(' ', Elements(member).Select(element => element.Value));

    public bool Names(MemberInfo member, Type exception)
    {
        var named = Elements(member).SelectMany(element => element.Elements("exception")).Select(element => ((string)element.Attribute("cref")!)[2..]).ToHashSet();
        for (var type = exception; type is not null && type != typeof(Exception); type = type.BaseType)
        {
            if (named.Contains(type.FullName!))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A member's own documentation and what it inherits.</summary>
    private IEnumerable<XElement> Elements(MemberInfo member)
    {
        var pending = new Queue<string>(Ids(member));
        var seen = new HashSet<string>();
        while (pending.TryDequeue(out string? id))
        {
            if (seen.Add(id) && _members.TryGetValue(id, out var element))
            {
                yield return element;
                foreach (string inherited in element.Descendants("inheritdoc").Select(inherits => (string?)inherits.Attribute("cref")).OfType<string>())
                {
                    pending.Enqueue(inherited);
                }
            }
        }
    }

    private static IEnumerable<string> Ids(MemberInfo member)
    {
        switch (member)
        {
            case PropertyInfo property:
                yield return Id(property.DeclaringType!, property);
                if (property.GetMethod?.GetBaseDefinition().DeclaringType is { } declaring && declaring.GetProperty(property.Name) is { } original)
                {
                    yield return Id(declaring, original);
                }

                yield break;
            case MethodInfo method:
                for (var at = method; ;)
                {
                    yield return Id(at);
                    var up = at.GetBaseDefinition();
                    if (up == at)
                    {
                        break;
                    }

                    at = up;
                }

                if (!method.DeclaringType!.IsInterface && !method.IsStatic)
                {
                    foreach (var implemented in method.DeclaringType.GetInterfaces().Where(type => type.Assembly == typeof(Machine).Assembly && !type.IsGenericType))
                    {
                        var map = method.DeclaringType.GetInterfaceMap(implemented);
                        int index = Array.FindIndex(map.TargetMethods, target => target.MethodHandle == method.MethodHandle);
                        if (index >= 0)
                        {
                            yield return Id(map.InterfaceMethods[index]);
                        }
                    }
                }

                yield break;
            case ConstructorInfo constructor:
                yield return Id(constructor);
                yield return $"T:{Name(constructor.DeclaringType!)}";
                yield break;
        }
    }

    private static string Id(Type type, PropertyInfo property) => $"P:{Name(type)}.{property.Name}";

    private static string Id(MethodBase method)
    {
        if (method is MethodInfo { IsGenericMethod: true, IsGenericMethodDefinition: false } made)
        {
            method = made.GetGenericMethodDefinition();
        }

        var text = new StringBuilder("M:").Append(Name(method.DeclaringType!)).Append('.').Append(method.IsConstructor ? "#ctor" : method.Name);
        if (method.IsGenericMethod)
        {
            text.Append("``").Append(method.GetGenericArguments().Length);
        }

        var parameters = method.GetParameters();
        if (parameters.Length > 0)
        {
            text.Append('(').AppendJoin(',', parameters.Select(parameter => Name(parameter.ParameterType))).Append(')');
        }

        if (method.Name is "op_Implicit" or "op_Explicit")
        {
            text.Append('~').Append(Name(((MethodInfo)method).ReturnType));
        }

        return text.ToString();
    }

    private static string Name(Type type)
    {
        if (type.IsByRef)
        {
            return Name(type.GetElementType()!) + "@";
        }

        if (type.IsGenericMethodParameter)
        {
            return $"``{type.GenericParameterPosition}";
        }

        if (type.IsGenericTypeParameter)
        {
            return $"`{type.GenericParameterPosition}";
        }

        if (type.IsGenericType && !type.IsGenericTypeDefinition)
        {
            string definition = type.GetGenericTypeDefinition().FullName!;
            return $"{definition[..definition.IndexOf('`', StringComparison.Ordinal)]}{{{string.Join(',', type.GetGenericArguments().Select(Name))}}}".Replace('+', '.');
        }

        return (type.FullName ?? type.Name).Replace('+', '.');
    }
}
