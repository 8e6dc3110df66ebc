using System.Text.Json;
using Pando.Linux.Native;

namespace Pando.Linux.Proc;

/// <summary>
/// Names that containers and pods have for their users: a cgroup's path has ids alone. They stand in files of Docker,
/// podman and the kubelet, which root may read; where there are none, ids are shown. No daemon is asked.
/// </summary>
internal sealed class ContainerNames(ScanOptions options, FileContents file, IReadOnlyList<MountPoint> mounts)
{
    private const int LongestName = 255;
    private const int MostFiles = 200_000;
    private const int LongestFile = 16 << 20;

    private Dictionary<string, (string Pod, string Container)>? _kubelet;
    private Dictionary<string, string>? _podman;
    private Dictionary<string, string>? _pods;

    /// <summary>The container's name; null if nobody tells.</summary>
    public string? OfContainer(string id)
    {
        if (id.Length == 0)
        {
            return null;
        }

        _kubelet ??= ReadKubelet();
        if (_kubelet.TryGetValue(id, out var known))
        {
            return known.Container;
        }

        _podman ??= ReadPodman();
        return _podman.GetValueOrDefault(id) ?? Docker(id);
    }

    /// <summary>The pod's "namespace/name"; null if nobody tells.</summary>
    public string? OfPod(string uid, string containerId)
    {
        if (uid.Length == 0)
        {
            return null;
        }

        _kubelet ??= ReadKubelet();
        if (_kubelet.TryGetValue(containerId, out var known))
        {
            return known.Pod;
        }

        _pods ??= ReadPods();
        return _pods.GetValueOrDefault(uid);
    }

    /// <summary>Names of /var/log/containers: POD_NAMESPACE_CONTAINER-ID.log.</summary>
    private Dictionary<string, (string Pod, string Container)> ReadKubelet()
    {
        var found = new Dictionary<string, (string, string)>(StringComparer.Ordinal);
        foreach (var name in Names("var/log/containers"))
        {
            var dash = name.LastIndexOf('-');
            var parts = dash < 0 ? [] : name[..dash].Split('_');
            if (parts.Length == 3 && name.EndsWith(".log", StringComparison.Ordinal))
            {
                found[name[(dash + 1)..^".log".Length]] = ($"{parts[1]}/{parts[0]}", parts[2]);
            }
        }

        return found;
    }

    /// <summary>Names of /var/log/pods: NAMESPACE_POD_UID.</summary>
    private Dictionary<string, string> ReadPods()
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in Names("var/log/pods"))
        {
            if (name.Split('_') is [var space, var pod, var uid])
            {
                found[uid] = $"{space}/{pod}";
            }
        }

        return found;
    }

    /// <summary>[{"id": "...", "names": ["web"]}, ...] of podman's store.</summary>
    private Dictionary<string, string> ReadPodman()
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        Parse("var/lib/containers/storage/overlay-containers/containers.json", root =>
        {
            if (root.ValueKind != JsonValueKind.Array)
            {
                return;
            }

            foreach (var container in root.EnumerateArray())
            {
                if (container.ValueKind == JsonValueKind.Object && container.TryGetProperty("id", out var id) && id.ValueKind == JsonValueKind.String
                    && container.TryGetProperty("names", out var names) && names.ValueKind == JsonValueKind.Array && names.GetArrayLength() > 0 && names[0].ValueKind == JsonValueKind.String)
                {
                    Keep(found, id.GetString()!, names[0].GetString()!);
                }
            }
        });
        return found;
    }

    /// <summary>{"Name": "/web", ...} of one container of Docker's.</summary>
    private string? Docker(string id)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        Parse($"var/lib/docker/containers/{id}/config.v2.json", root =>
        {
            if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty("Name", out var name) && name.ValueKind == JsonValueKind.String)
            {
                Keep(found, id, name.GetString()!.TrimStart('/'));
            }
        });
        return found.GetValueOrDefault(id);
    }

    private static void Keep(Dictionary<string, string> found, string id, string name)
    {
        if (name.Length is > 0 and <= LongestName)
        {
            found[id] = name;
        }
    }

    private void Parse(string path, Action<JsonElement> take)
    {
        var text = PlaceOf(Path.GetDirectoryName(path)!) is { } directory ? file.ReadPlain(Path.Combine(directory, Path.GetFileName(path)), LongestFile) : default;
        if (text.IsEmpty)
        {
            return;
        }

        try
        {
            using var document = JsonDocument.Parse(text.ToArray());
            take(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // the latter for text that is no UTF-8
        {
            // Somebody is writing it, or it is another file: the id will do.
        }
    }

    private IEnumerable<string> Names(string directory) =>
        PlaceOf(directory) is { } place ? DirectoryNames.Read(place, MostFiles).Where(name => name.Length <= 3 * LongestName) : [];

    /// <summary>Logs and images may lie on a file system with a server, which may hang, or be links to one.</summary>
    private string? PlaceOf(string directory) => MountPoint.Follow(mounts, Path.Combine(options.Root, directory));
}
