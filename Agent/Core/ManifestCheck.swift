package import Control
import RuntimeSupport

/// Whether manifests can be applied on top of the node's own settings. Pure.
package struct ManifestCheck {
    /// One manifest's body.
    package struct Body: Sendable, Equatable {
        /// The agent's own, not a group's.
        package var isOwn: Bool
        /// As errors name it.
        package var name: String
        package var text: String

        package init(isOwn: Bool, name: String, text: String) {
            self.isOwn = isOwn
            self.name = name
            self.text = text
        }

        init(_ manifest: VerifiedManifest) {
            self.init(isOwn: manifest.scope == .agent, name: manifest.name, text: manifest.body)
        }
    }

    /// What a manifest may change while this release runs; the rest is refused with its line.
    static let remoteKeys: Set<String> = [
        "flush-interval", "collection-interval", "broker.host", "broker.port", AgentSettings.groupsKey,
    ]

    /// The node's own settings.
    package var settings: AgentSettings
    package var guardLimits: GuardLimits
    /// Names that `collectors.…` may hold; empty: any.
    package var collectors: Set<String>

    package init(settings: AgentSettings, guardLimits: GuardLimits, collectors: Set<String>) {
        self.settings = settings
        self.guardLimits = guardLimits
        self.collectors = collectors
    }

    /// - Throws: ``SettingsError`` with manifest, line and key.
    func layered(_ bodies: [Body]) throws(SettingsError) -> AgentSettings {
        var documents: [SettingsDocument] = []
        for body in bodies { documents.append(try SettingsDocument(body.text, source: body.name)) }
        return try AgentSettings(
            SettingsLayers(
                base: settings, manifests: documents, guardLimits: guardLimits, knownCollectors: collectors))
    }

    /// - Returns: what is wrong with these bodies, with line and key; nil if they can be applied.
    package func objection(to bodies: [Body]) -> String? {
        do {
            for body in bodies {
                let document = try SettingsDocument(body.text, source: body.name)
                for key in document.keys
                where !Self.remoteKeys.contains(key) && !key.hasPrefix(AgentSettings.collectorSection)
                    && !key.hasPrefix(AgentSettings.ruleSection)
                {
                    // Of a key that does not exist at all the layers say more.
                    guard AgentSettings.keys.contains(where: { $0.name == key }) else { continue }
                    return "\(body.name):\(document.entries[key]?.line ?? 0): \(key): cannot be changed by a "
                        + "manifest in this release; set it in the node's own file"
                }
                if !body.isOwn, document.entries[AgentSettings.groupsKey] != nil {
                    return "\(document.error(AgentSettings.groupsKey, "belongs into the agent's own manifest"))"
                }
            }
            _ = try layered(bodies)
            return nil
        } catch {
            return "\(error)"
        }
    }
}
