import Access
import ArgumentParser
import Foundation
import RuntimeSupport
import Telemetry

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
    static let configuration = CommandConfiguration(abstract: "Tenants.", subcommands: [Create.self, List.self])

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

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the tenants.")
        @OptionGroup var local: LocalStore

        func run() throws {
            if let access = try local.access() {
                for tenant in try access.tenants() { print(tenant.name) }
                return
            }
            let answer = try Session.load().json("GET", "/api/v1/admin/tenants")
            Table.printRows(answer["tenants"], columns: ["name", "created"])
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
        @OptionGroup var about: TenantOption
        @Flag(help: "With --data-dir and role admin: for every tenant, and to make tenants.")
        var installation = false
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
                guard installation != (about.tenant != nil) else {
                    throw ValidationError("--tenant says whose token it is; or --installation that it is for all")
                }
                let now = SystemTimeSource().now
                let (token, _) = try access.createToken(
                    role: role, tenant: about.tenant.map { try TenantID(validating: $0) }, name: name,
                    expiresAt: days.map { now.advanced(byMilliseconds: Int64($0) * 86_400_000) }, now: now)
                print(token.text)
                return
            }
            guard !installation else {
                throw ValidationError("--installation works on the aggregator's machine only: add --data-dir")
            }
            var fields: [String: Any] = ["role": role.rawValue, "name": name]
            if let days { fields["expires_in_seconds"] = days * 86_400 }
            let made = try about.session().json("POST", "/api/v1/admin/tokens", json: fields)
            print(made["token"] as? String ?? "")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the tenant's tokens, without their secrets.")
        @OptionGroup var about: TenantOption
        func run() throws {
            let answer = try about.session().json("GET", "/api/v1/admin/tokens")
            Table.printRows(
                answer["tokens"], columns: ["id", "role", "name", "created", "expires", "revoked", "last_used"])
        }
    }

    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a token useless at once.")
        @Argument(help: "The token's id, as listed.")
        var id: String
        @OptionGroup var about: TenantOption
        func run() throws {
            _ = try about.session().send("DELETE", "/api/v1/admin/tokens/\(id)")
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
    @Option(help: "A group that it is put into; repeat for more, later ones override earlier ones.")
    var group: [String] = []
    @Flag(help: "It hands on what a regional aggregator forwards, under the series' own labels.")
    var relay = false
    @OptionGroup var about: TenantOption

    func run() throws {
        var fields: [String: Any] = [
            "region": region, "site": site, "job": job, "uses": uses, "expires_in_seconds": minutes * 60,
        ]
        for name in group { _ = try GroupName(validating: name) }
        if !group.isEmpty { fields["groups"] = group.joined(separator: ", ") }
        if relay { fields["relay"] = true }
        if let agent { fields["agent"] = try AgentID(validating: agent).rawValue }
        print(try PseudonymKeys(session: about.session()).token(fields))
    }
}
