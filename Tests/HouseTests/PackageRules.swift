import Testing

/// What Package.swift declares and what the sources import are the same.
@Suite("package rules")
struct PackageRules {
    private struct Target {
        let name: String
        let path: String
        let dependencies: Set<String>
    }

    /// The calls `module(…)`, `program(…)` and `tests(…)` of the manifest.
    private static func targets(_ manifest: String) -> [Target] {
        var found: [Target] = []
        for kind in ["module(", "program(", "tests("] {
            var rest = Substring(manifest)
            while let start = rest.firstRange(of: kind)?.upperBound {
                let call = arguments(rest[start...])
                rest = rest[start...].dropFirst(call.count)
                let texts = quoted(call)
                guard let path = texts.first(where: { $0.contains("/") }), let list = call.firstIndex(of: "[") else {
                    continue
                }
                let head = call[..<list]
                let given =
                    head.contains("name:") || kind == "program(" ? quoted(head).first { !$0.contains("/") } : nil
                let last = String(path.split(separator: "/").last ?? "")
                found.append(
                    Target(
                        name: given ?? (kind == "tests(" ? last + "Tests" : last), path: path,
                        dependencies: Set(quoted(call[list...]))))
            }
        }
        return found
    }

    /// Up to the parenthesis that closes the call.
    private static func arguments(_ text: Substring) -> Substring {
        var depth = 1
        for index in text.indices {
            if text[index] == "(" { depth += 1 }
            if text[index] == ")" { depth -= 1 }
            if depth == 0 { return text[..<index] }
        }
        return text
    }

    private static func quoted(_ text: Substring) -> [String] {
        text.split(separator: "\"", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }
            .map { String($0.element) }
    }

    @Test("each target declares the project's modules that it imports; the agent and what is shared no others")
    func dependencies() {
        let targets = Self.targets(SourceTree.read("Package.swift")).filter { !$0.path.contains("\\(") }
        #expect(targets.count > 60)
        var known = Set(targets.map(\.name))
        known.formUnion(SourceTree.systemModules)
        var faults: [String] = []
        for target in targets {
            let files = SourceTree.files(target.path)
            let imported = Set(files.flatMap(\.imports)).intersection(known)
            let declared = target.dependencies.intersection(known)
            for name in imported.subtracting(declared).sorted() { faults.append("\(target.name) lacks \(name)") }
            guard target.path.hasPrefix("Agent/") || target.path.hasPrefix("Shared/") else { continue }
            for name in declared.subtracting(imported).sorted() {
                faults.append("\(target.name) has no use for \(name)")
            }
        }
        #expect(faults == [])
    }

    @Test("the machine key's credential has one name, in the code, in the service's unit and in what is said of it")
    func credential() throws {
        let code = SourceTree.read("Shared/Sealing/SealedFile.swift")
        let name = try #require(code.split(separator: "credentialName = \"").dropFirst().first?.prefix { $0 != "\"" })
        let unit = SourceTree.read("Packaging/systemd/stagebox-agent.service")
        let loads = unit.split(separator: "LoadCredentialEncrypted=").dropFirst().map { $0.prefix { $0 != ":" } }
        #expect(loads.count == 2 && loads.allSatisfy { $0 == name })
        #expect(code.contains("$CREDENTIALS_DIRECTORY/\(name)"))
    }

    @Test("the units leave a program alone that ended with the codes for bad flags and bad settings")
    func exitCodes() {
        let usage = SourceTree.read("Agent/Main/AgentCommand.swift")
        #expect(usage.contains("badUsage: Int32 = 64") && usage.contains("badSettings: Int32 = 78"))
        #expect(SourceTree.read("Aggregator/Main/AggregatorCommand.swift").contains("badSettings: Int32 = 78"))
        for unit in ["stagebox-agent", "stagebox-aggregator"] {
            let text = SourceTree.read("Packaging/systemd/\(unit).service")
            #expect(text.contains("RestartPreventExitStatus=64 78\n"), "\(unit)")
        }
    }

    @Test("the packages get the version that the programs say")
    func version() {
        let source = "Shared/RuntimeSupport/ProgramVersion.swift"
        #expect(SourceTree.read(source).contains("static let current = \""))
        let script = SourceTree.read("Packaging/scripts/make-deb")
        #expect(script.contains("static let current") && script.contains(source))
    }

    @Test("scripts call the Swift that the Makefile was given")
    func swift() {
        for script in ["test", "lint"] {
            let lines = SourceTree.read("Packaging/scripts/\(script)").split(separator: "\n")
            for line in lines where !line.hasPrefix("#") {
                #expect(!line.hasPrefix("swift ") && !line.contains("exec swift"), "\(script): \(line)")
            }
        }
        #expect(SourceTree.read("Makefile").contains("export SWIFT\n"))
    }
}
