import Access
import HTTPTypes
import Hummingbird
import Telemetry
import WireFormat

func adminRoutes(_ dependencies: APIDependencies) -> [Route] {
    tenantRoutes(dependencies) + tokenRoutes(dependencies) + enrolmentTokenRoutes(dependencies)
        + agentRoutes(dependencies)
}

private func tenantRoutes(_ dependencies: APIDependencies) -> [Route] {
    let (access, pool) = (dependencies.access, dependencies.pool)
    return [
        Route(.get, "/api/v1/admin/tenants", .installation, "every tenant") { _ in
            let tenants = try await pool.run { try access.tenants() }
            return .json(
                .object([
                    (
                        "tenants",
                        .array(
                            tenants.map {
                                .object([("name", .string($0.name.rawValue)), ("created", .time($0.createdAt))])
                            })
                    )
                ]))
        },
        Route(.post, "/api/v1/admin/tenants", .installation, "a new tenant: {\"name\":…}") { request in
            let body = try await request.fields(["name"])
            let tenant = try body.requiredName(TenantID.self, "name")
            try await pool.run { try access.createTenant(tenant, now: request.now) }
            return .json(.object([("name", .string(tenant.rawValue))]), status: .created)
        },
    ]
}

private func tokenRoutes(_ dependencies: APIDependencies) -> [Route] {
    let (access, pool) = (dependencies.access, dependencies.pool)
    return [
        Route(.get, "/api/v1/admin/tokens", .admin, "the tenant's tokens, without their secrets") { request in
            let tenant = try await request.tenant(access, pool)
            let tokens = try await pool.run { try access.tokens(of: tenant) }
            return .json(.object([("tokens", .array(tokens.map(\.json)))]))
        },
        Route(.post, "/api/v1/admin/tokens", .admin, "a new token: {\"role\":…,\"name\":…,\"expires_in_seconds\":…}") {
            request in
            let tenant = try await request.tenant(access, pool)
            let body = try await request.fields(["role", "name", "expires_in_seconds"])
            let role = try body.requiredChoice("role", Role.self)
            let name = try body.text("name") ?? ""
            let expiry = try body.seconds("expires_in_seconds").map { request.now.advanced(byMilliseconds: $0 * 1000) }
            let (token, record) = try await pool.run {
                try access.createToken(role: role, tenant: tenant, name: name, expiresAt: expiry, now: request.now)
            }
            guard case .object(let members) = record.json else { return .json(record.json) }
            return .json(.object(members + [("token", .string(token.text))]), status: .created)
        },
        Route(.delete, "/api/v1/admin/tokens/{id}", .admin, "revokes a token") { request in
            let tenant = try await request.tenant(access, pool)
            let id = try request.context.parameters.require("id")
            try await pool.run { try access.revokeToken(id, of: tenant, now: request.now) }
            return Response(status: .noContent)
        },
    ]
}

private func enrolmentTokenRoutes(_ dependencies: APIDependencies) -> [Route] {
    let (access, pool) = (dependencies.access, dependencies.pool)
    return [
        Route(.get, "/api/v1/admin/enrolments", .admin, "the tenant's enrolment tokens") { request in
            let tenant = try await request.tenant(access, pool)
            let enrolment = dependencies.enrolment
            let (records, prospect) = try await pool.run {
                (try access.enrolments(of: tenant), try enrolment.prospect(of: tenant))
            }
            var members: [(String, JSON)] = [
                ("enrolments", .array(records.map(\.json))), ("tenant", .string(tenant.rawValue)),
                ("root", .string(prospect.root.description)),
            ]
            if let note = prospect.pseudonyms {
                members.append(
                    (
                        "pseudonym_key",
                        .object([
                            ("version", .count(UInt64(note.version))),
                            ("fingerprint", .string(note.fingerprint.description)),
                        ])
                    ))
            }
            return .json(.object(members))
        },
        Route(
            .post, "/api/v1/admin/enrolments", .admin,
            "a token that enrols agents: {\"agent\",\"region\",\"site\",\"job\",\"relay\",\"groups\",…}"
        ) { request in
            let tenant = try await request.tenant(access, pool)
            let body = try await request.fields([
                "agent", "region", "site", "job", "relay", "groups", "expires_in_seconds", "uses",
                "pseudonym_key_version", "pseudonym_key_fingerprint", "pseudonym_key_sealed",
            ])
            let names = try body.text("groups") ?? ""
            guard let groups = names.isEmpty ? [] : GroupName.list(names) else {
                throw Problem(
                    .invalidRequest, "groups: up to \(GroupName.countMax) different names, like \"edge, canary\"")
            }
            let lifetime = try body.seconds("expires_in_seconds") ?? 3600
            let offer = EnrolmentOffer(
                tenant: tenant, agent: try body.name(AgentID.self, "agent"), region: try body.text("region") ?? "",
                site: try body.text("site") ?? "", job: try body.text("job") ?? "",
                isRelay: try body.flag("relay") ?? false, groups: groups,
                expiresAt: request.now.advanced(byMilliseconds: lifetime * 1000),
                usesMax: try body.integer("uses") ?? 1, pseudonymKey: try body.pseudonymKey())
            let enrolment = dependencies.enrolment
            let (id, text) = try await pool.run { try enrolment.createToken(offer) }
            return .json(
                .object([
                    ("id", .string(id.description)), ("token", .string(text)), ("expires", .time(offer.expiresAt)),
                ]), status: .created)
        },
        Route(.delete, "/api/v1/admin/enrolments/{id}", .admin, "revokes an enrolment token") { request in
            let tenant = try await request.tenant(access, pool)
            guard let id = ID128(hexadecimal: try request.context.parameters.require("id")) else {
                throw Problem(.notFound, "there is no such enrolment token")
            }
            try await pool.run { try access.revokeEnrolment(id, of: tenant, now: request.now) }
            return Response(status: .noContent)
        },
    ]
}

private func agentRoutes(_ dependencies: APIDependencies) -> [Route] {
    let (access, pool) = (dependencies.access, dependencies.pool)
    return [
        Route(.delete, "/api/v1/admin/agents/{agent}", .admin, "revokes an agent") { request in
            let tenant = try await request.tenant(access, pool)
            guard let agent = AgentID(rawValue: try request.context.parameters.require("agent")) else {
                throw Problem(.notFound, "there is no such agent")
            }
            let enrolment = dependencies.enrolment
            try await pool.run { try enrolment.revoke(agent, of: tenant) }
            return Response(status: .noContent)
        },
        Route(.post, "/api/v1/admin/config", .admin, "publishes a signed manifest (the record's bytes)") { request in
            let tenant = try await request.tenant(access, pool)
            let record = try await request.body(upTo: WireLimits.recordBytesMax + SignedEnvelope.overheadBytes)
            let publish = dependencies.publishManifest
            let version = try await pool.run { try publish(record, tenant) }
            return .json(.object([("version", .count(version))]), status: .accepted)
        },
        Route(
            .post, "/api/v1/admin/agents/{agent}/commands", .admin, "sends a signed command (the record's bytes)"
        ) { request in
            let tenant = try await request.tenant(access, pool)
            guard let agent = AgentID(rawValue: try request.context.parameters.require("agent")) else {
                throw Problem(.notFound, "there is no such agent")
            }
            let record = try await request.body(upTo: WireLimits.recordBytesMax + SignedEnvelope.overheadBytes)
            let send = dependencies.sendCommand
            let id = try await pool.run { try send(record, agent, tenant) }
            return .json(.object([("id", .string(id.description))]), status: .accepted)
        },
        Route(.get, "/api/v1/admin/commands", .admin, "commands and their results, newest first; ?agent=") { request in
            let tenant = try await request.tenant(access, pool)
            let agent = try request.query.name(AgentID.self, "agent")
            let entries = try await pool.run { try access.commands(of: tenant, agent: agent) }
            return .json(.object([("commands", .array(entries.map(\.json)))]))
        },
    ]
}

extension TokenRecord {
    fileprivate var json: JSON {
        .object([
            ("id", .string(id)), ("role", .string(role.rawValue)), ("tenant", .text(tenant?.rawValue)),
            ("name", .string(name)), ("created", .time(createdAt)), ("expires", .time(expiresAt)),
            ("revoked", .time(revokedAt)), ("last_used", .time(lastUsedAt)),
        ])
    }
}

extension CommandEntry {
    fileprivate var json: JSON {
        .object([
            ("id", .string(id.description)), ("agent", .string(agent.rawValue)), ("verb", .string(verb)),
            ("sent", .time(sentAt)), ("not_after", .time(notAfter)), ("outcome", .text(result?.outcome.name)),
            ("text", .string(result?.text ?? "")), ("answered", .time(result?.at)),
        ])
    }
}

extension EnrolmentRecord {
    fileprivate var json: JSON {
        .object([
            ("id", .string(id.description)), ("agent", .text(offer.agent?.rawValue)),
            ("region", .string(offer.region)), ("site", .string(offer.site)), ("job", .string(offer.job)),
            ("relay", .bool(offer.isRelay)), ("groups", .array(offer.groups.map { .string($0.rawValue) })),
            ("created", .time(createdAt)),
            ("expires", .time(offer.expiresAt)), ("uses", .integer(uses)),
            ("uses_max", .integer(offer.usesMax)), ("revoked", .time(revokedAt)),
        ])
    }
}

extension BodyFields {
    /// A pseudonym key that only the agent can open; all three fields or none.
    fileprivate func pseudonymKey() throws -> PseudonymOffer? {
        let version = try integer("pseudonym_key_version")
        let (hash, text) = (try text("pseudonym_key_fingerprint"), try text("pseudonym_key_sealed"))
        if version == nil, hash == nil, text == nil { return nil }
        guard let version = version.flatMap({ UInt32(exactly: $0) }),
            let fingerprint = hash.flatMap({ ID128(hexadecimal: $0) }),
            let sealed = text.flatMap({ Base64URL.decode(Substring($0)) })
        else {
            throw Problem(
                .invalidRequest,
                "pseudonym_key_version (a number), _fingerprint (32 hexadecimal digits), _sealed (Base64URL): all three"
            )
        }
        return PseudonymOffer(version: version, fingerprint: fingerprint, sealed: sealed)
    }
}
