import MillraceCore

/// Puts the session's time zone where an instant (TIMESTAMP_LTZ) meets the wall clock.
///
/// Binding and the kernels know no zone: there both kinds of timestamp are the same number. Here a plan gets the
/// conversions, as calls with the zone's name; in UTC there is nothing to convert.
struct SessionZone {
    let rules: ZoneRules

    /// The plan with its conversions.
    func apply(_ plan: ExecutionPlan) -> ExecutionPlan {
        var plan = plan
        for index in plan.nodes.indices {
            switch plan.nodes[index].kind {
            case .project(let expressions): plan.nodes[index].kind = .project(expressions.map(convert))
            case .filter(let predicate): plan.nodes[index].kind = .filter(convert(predicate))
            case .watermark(var watermark):
                watermark.expression = convert(watermark.expression)
                plan.nodes[index].kind = .watermark(watermark)
            case .staticJoin(var join):
                join.residual = join.residual.map(convert)
                plan.nodes[index].kind = .staticJoin(join)
            case .lookupJoin(var join, let lookup):
                join.residual = join.residual.map(convert)
                plan.nodes[index].kind = .lookupJoin(join, lookup: lookup)
            case .streamJoin(var join):
                join.residual = join.residual.map(convert)
                plan.nodes[index].kind = .streamJoin(join)
            case .unnest(var unnest):
                unnest.condition = unnest.condition.map(convert)
                plan.nodes[index].kind = .unnest(unnest)
            default: break
            }
        }
        return applyToWindows(plan)
    }

    private var zone: Expression { .literal(.string(rules.name), .string) }

    private func precision(_ type: DataType) -> Int {
        switch type {
        case .timestamp(let precision), .timestampLTZ(let precision): precision
        default: 6
        }
    }

    private func isInstant(_ type: DataType) -> Bool {
        if case .timestampLTZ = type { true } else { false }
    }

    /// The wall clock of an instant; other expressions stay.
    private func local(_ expression: Expression) -> Expression {
        guard isInstant(expression.type), !rules.isUTC else { return expression }
        return .call(.toLocalTime, [expression, zone], .timestamp(precision: precision(expression.type)))
    }

    private func instant(_ expression: Expression, _ type: DataType) -> Expression {
        rules.isUTC ? expression : .call(.fromLocalTime, [expression, zone], type)
    }

    func convert(_ expression: Expression) -> Expression {
        switch expression {
        case .column, .literal: return expression
        case .field(let operand, let index, let type): return .field(convert(operand), index: index, type)
        case .conditional(let branches, let otherwise, let type):
            return .conditional(
                branches.map { .init(condition: convert($0.condition), result: convert($0.result)) },
                otherwise: otherwise.map(convert), type)
        case .cast(let operand, let type, let isTry): return cast(convert(operand), type, isTry)
        case .call(let function, let arguments, let type):
            return call(function, arguments.map(convert), type)
        }
    }

    private func cast(_ operand: Expression, _ type: DataType, _ isTry: Bool) -> Expression {
        if isInstant(type), case .literal(let value, let from) = operand, from.isCharacter {
            // Text is a wall-clock time; a literal is converted here.
            guard case .integer(let time)? = TemporalLiteral.parse(value, as: .timestamp(precision: 9)) else {
                return .cast(operand, to: type, isTry: isTry)
            }
            return .literal(.integer(rules.utc(fromLocal: time)), type)
        }
        guard !rules.isUTC, isInstant(type) != isInstant(operand.type) else {
            return .cast(operand, to: type, isTry: isTry)
        }
        if isInstant(operand.type) {
            switch type {
            case .timestamp, .date, .time, .char, .varchar:
                let wall = local(operand)
                return wall.type == type ? wall : .cast(wall, to: type, isTry: isTry)
            default: return .cast(operand, to: type, isTry: isTry)
            }
        }
        guard operand.type.isTemporal || operand.type.isCharacter else { return .cast(operand, to: type, isTry: isTry) }
        let wall = DataType.timestamp(precision: precision(type))
        return instant(operand.type == wall ? operand : .cast(operand, to: wall, isTry: isTry), type)
    }

    private func call(_ function: BuiltinFunction, _ arguments: [Expression], _ type: DataType) -> Expression {
        guard !rules.isUTC else { return .call(function, arguments, type) }
        let now = Expression.call(.currentTimestamp, [], .timestampLTZ(precision: 3))
        switch function {
        case .extract, .dateFormat: return .call(function, arguments.map(local), type)
        case .floorTime where isInstant(type), .ceilTime where isInstant(type):
            return instant(
                .call(function, arguments.map(local), .timestamp(precision: precision(type))), type)
        case .timestampDiff where arguments.filter({ isInstant($0.type) }).count == 1:
            // Between two instants the clock does not matter.
            return .call(function, arguments.map(local), type)
        case .fromUnixTime:
            let seconds = Expression.call(
                .toTimestampLTZ, [arguments[0], .literal(.integer(0), .integer)], .timestampLTZ(precision: 3))
            let pattern =
                arguments.count > 1 ? arguments[1] : .literal(.string("yyyy-MM-dd HH:mm:ss"), .string)
            return .call(.dateFormat, [local(seconds), pattern], type)
        case .unixTimestamp where !arguments.isEmpty:
            return .call(
                function,
                (arguments.count > 1
                    ? arguments
                    : arguments + [
                        .literal(.string("yyyy-MM-dd HH:mm:ss"), .string)
                    ]) + [zone], type)
        case .localTimestamp: return local(now)
        case .currentDate: return .cast(local(now), to: type, isTry: false)
        case .currentTime: return .cast(local(now), to: type, isTry: false)
        default: return .call(function, arguments, type)
        }
    }
}
