import RuntimeSupport
package import Telemetry

/// Bodies of manifests, as far as the aggregator reads them: the groups that an agent's own manifest names.
package enum ManifestText {
    package static let groupsKey = "groups"

    /// - Returns: the groups in the order in which they override each other.
    /// - Throws: ``SettingsError`` for a body that is not in the settings' language or names no groups in its list.
    package static func groups(in body: String, source: String) throws -> [GroupName] {
        let document = try SettingsDocument(body, source: source)
        guard let entry = document.entries[groupsKey] else { return [] }
        guard let groups = GroupName.list(entry.value) else {
            throw document.error(
                groupsKey, "is not a list of up to \(GroupName.countMax) different group names, like edge, canary")
        }
        return groups
    }

    /// - Returns: the body with this list of groups instead of its own.
    package static func setting(_ groups: [GroupName], in body: String) -> String {
        var lines = body.split(separator: "\n", omittingEmptySubsequences: false).filter {
            !$0.hasPrefix("\(groupsKey):")
        }
        while lines.last?.isEmpty == true { lines.removeLast() }
        if !groups.isEmpty {
            lines.append("\(groupsKey): \(groups.map(\.rawValue).joined(separator: ", "))")
        }
        // A manifest with nothing but blanks would look like a mistake.
        return lines.isEmpty ? "# nothing is set\n" : lines.joined(separator: "\n") + "\n"
    }
}
