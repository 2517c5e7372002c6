import Control
import Glibc
package import RuntimeSupport

/// Reads what the node itself says: the settings file, the environment, the guard file.
package enum NodeSettings {
    package static let standardPath = "/etc/stagebox-agent/agent.yaml"

    /// The variables that hold settings, as this process got them.
    package static var environment: [String: String] {
        var found: [String: String] = [:]
        for name in AgentSettings.keys.map(\.environmentName) + AgentSettings.environmentNames.keys {
            if let value = getenv(name) { found[name] = String(cString: value) }
        }
        return found
    }

    /// Keys of the language that nothing looks at yet; better refused than silently ignored.
    private static let unsupported: Set<String> = ["broker.tls", "broker.ca", "intake.request-bytes-max"]

    /// Every key for people: name (type, default; range): meaning, and the guard file's.
    package static var documentation: String {
        var lines = AgentSettings.keys.filter { !unsupported.contains($0.name) }.map { key in
            let range = key.range.isEmpty ? "" : "; \(key.range)"
            let restart = AgentSettings.restartKeyNames.contains(key.name) ? " [takes a restart]" : ""
            return "\(key.name) (\(key.type), \(key.standard)\(range)): \(key.meaning)\(restart)"
        }
        let names = knownCollectors.sorted().joined(separator: ", ")
        lines.append("collectors.NAME (on, off or an interval, on; 100 ms to 60 min): one of \(names)")
        lines += AgentSettings.sourceSections.map(\.documentation)
        lines.append(AgentSettings.ruleDocumentation)
        lines.append("")
        lines.append("Environment variables override them: STAGEBOX_FLUSH_INTERVAL for flush-interval, and so on.")
        lines.append("In the guard file: \(GuardLimits.keys.joined(separator: ", ")).")
        lines.append("There, too, what is done about findings: \(GuardLimits.actionKeys.joined(separator: "; ")).")
        return lines.joined(separator: "\n")
    }

    /// - Parameters:
    ///   - path: the settings file; nil: ``standardPath``, which may be missing.
    ///   - environment: looked at for `STAGEBOX_…` and the product's fixed names.
    ///   - base: what file and environment override.
    /// - Throws: ``SettingsError`` with file, line and key; also when a guard file is named that cannot be read.
    package static func read(
        path: String?, environment: [String: String], base: AgentConfiguration = AgentConfiguration()
    ) throws(SettingsError) -> AgentConfiguration {
        var configuration = base
        let file = try document(path ?? standardPath, mustExist: path != nil)
        for key in file?.keys ?? [] where unsupported.contains(key) {
            throw SettingsError(
                source: path ?? standardPath, line: file?.entries[key]?.line ?? 0, key: key,
                problem: "has no effect in this release; remove it")
        }
        for key in AgentSettings.keys where unsupported.contains(key.name) {
            guard let value = environment[key.environmentName], !value.isEmpty else { continue }
            throw SettingsError(
                source: "environment", line: 0, key: key.environmentName, value: value,
                problem: "has no effect in this release; unset it")
        }
        let collectors = Set(knownCollectors)
        configuration.settings = try AgentSettings(
            SettingsLayers(
                base: base.settings, file: file, environment: environment, knownCollectors: collectors))
        // Whoever names a guard file wants one: a mistyped path must not leave the node without.
        let isGuardNamed =
            file?.entries[AgentSettings.guardFileKey.name] != nil
            || !(environment[AgentSettings.guardFileKey.environmentName] ?? "").isEmpty
        if let guardFile = try document(configuration.settings.guardFilePath, mustExist: isGuardNamed) {
            configuration.guardLimits = try GuardLimits(guardFile)
        }
        return configuration
    }

    /// - Returns: nil when there is no such file and there need not be.
    private static func document(_ path: String, mustExist: Bool) throws(SettingsError) -> SettingsDocument? {
        func problem(_ text: String) -> SettingsError {
            SettingsError(source: path, line: 0, key: "", problem: text)
        }
        guard let file = fopen(path, "re") else {
            if errno == ENOENT, !mustExist { return nil }
            throw problem("cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: SettingsDocument.bytesMax + 1)
        let count = fread(&bytes, 1, bytes.count, file)
        guard ferror(file) == 0 else { throw problem("cannot be read") }
        guard let text = String(validating: bytes[..<count], as: UTF8.self) else { throw problem("is not UTF-8") }
        return try SettingsDocument(text, source: path)
    }
}
