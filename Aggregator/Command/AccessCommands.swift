import Access
import ArgumentParser
import Foundation
import RuntimeSupport
import Telemetry

struct Login: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remember an aggregator and a bearer token (read from standard input) in a 0600 file.")

    @Argument(help: "The aggregator's address, as in https://music.example:8480.")
    var url: String

    @Option(help: "SHA-256 of the server's public key, as \"stagebox-aggregator\" logs it; needed for https.")
    var keyHash: String?

    func run() throws {
        if isatty(0) == 1 { print("token: ", terminator: "") }
        guard let token = readLine(strippingNewline: true)?.trimmingCharacters(in: .whitespaces), !token.isEmpty else {
            throw ValidationError("no token: paste it, or pipe it in")
        }
        let session = Session(url: url, token: token, keyHash: keyHash)
        _ = try session.send("GET", "/api/v1/agents")
        try session.save()
        print("signed in to \(url); kept in \(Session.path)")
    }
}

/// For work on the aggregator's own machine, before there is any token.
struct LocalStore: ParsableArguments {
    @Option(help: "The aggregator's data directory, on its own machine; without it the signed-in aggregator is asked.")
    var dataDir: String?

    func access() throws -> AccessStore? {
        guard let dataDir else { return nil }
        return try AccessStore(path: "\(dataDir)/access.sqlite", now: SystemTimeSource().now)
    }
}

struct Tenant: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Tenants.", subcommands: [Create.self])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a tenant.")
        @Argument(help: "1 to 64 of a-z 0-9 . _ - starting with a letter or digit.")
        var name: String
        @OptionGroup var local: LocalStore

        func run() throws {
            let tenant = try TenantID(validating: name)
            if let access = try local.access() {
                try access.createTenant(tenant, now: SystemTimeSource().now)
            } else {
                _ = try Session.load().send("POST", "/api/v1/admin/tenants", json: ["name": name])
            }
            print("made tenant \(tenant)")
        }
    }
}

struct Token: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bearer tokens of the HTTP API.", subcommands: [Create.self, List.self, Revoke.self])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a token and print it once.")
        @Option(help: "admin, operator, analyst or ingest.")
        var role: String
        @Option(help: "The tenant it is for (with --data-dir; else the signed-in token's).")
        var tenant: String?
        @Option(help: "What it is for.")
        var name = ""
        @Option(help: "Days until it ends; never without.")
        var days: Int?
        @OptionGroup var local: LocalStore

        func run() throws {
            guard let role = Role(rawValue: role) else {
                throw ValidationError(
                    "--role \"\(role)\": use \(Role.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            if let access = try local.access() {
                guard let tenant else { throw ValidationError("--tenant says whose token it is") }
                let now = SystemTimeSource().now
                let (token, _) = try access.createToken(
                    role: role, tenant: TenantID(validating: tenant), name: name,
                    expiresAt: days.map { now.advanced(byMilliseconds: Int64($0) * 86_400_000) }, now: now)
                print(token.text)
                return
            }
            var fields: [String: Any] = ["role": role.rawValue, "name": name]
            if let days { fields["expires_in_seconds"] = days * 86_400 }
            let made = try Session.load().json("POST", "/api/v1/admin/tokens", json: fields)
            print(made["token"] as? String ?? "")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the tenant's tokens, without their secrets.")
        func run() throws {
            let answer = try Session.load().json("GET", "/api/v1/admin/tokens")
            Table.printRows(
                answer["tokens"], columns: ["id", "role", "name", "created", "expires", "revoked", "last_used"])
        }
    }

    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a token useless at once.")
        @Argument(help: "The token's id, as listed.")
        var id: String
        func run() throws {
            _ = try Session.load().send("DELETE", "/api/v1/admin/tokens/\(id)")
            print("revoked \(id)")
        }
    }
}

struct Enrol: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print a one-time token that enrols an agent.")
    @Option(help: "The agent's name; left open, the node names itself.")
    var agent: String?
    @Option(help: "Its region label.")
    var region = ""
    @Option(help: "Its site label.")
    var site = ""
    @Option(help: "Its job label.")
    var job = "stagebox"
    @Option(help: "How many agents may use it.")
    var uses = 1
    @Option(help: "Minutes until it ends.")
    var minutes = 60

    func run() throws {
        var fields: [String: Any] = [
            "region": region, "site": site, "job": job, "uses": uses, "expires_in_seconds": minutes * 60,
        ]
        if let agent { fields["agent"] = try AgentID(validating: agent).rawValue }
        let session = try Session.load()
        let made = try session.json("POST", "/api/v1/admin/enrolments", json: fields)
        print(made["token"] as? String ?? "")
    }
}
