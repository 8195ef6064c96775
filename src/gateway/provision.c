/* SPDX-License-Identifier: Apache-2.0 */
/* Client ids and WebSocket tickets.  Nothing is stored: a client exists from its first event on. */
#include "gateway/gateway-priv.h"

void cor_gateway_priv_provision(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    json_t *body = cor_http_req_json(req);
    const char *given = cor_json_string(body, "client_id", "");
    char made[COR_UUID_SIZE];
    CorError err = {0};
    (void) context;

    if (body && !json_is_object(body)) {
        cor_http_problem(res, 400, "", "the body must be an object");
        return;
    }
    if (!cor_id_is_legal(given)) {
        if (!cor_uuid4(made, &err)) {
            cor_http_fail(res, NULL, &err);
            return;
        }
        given = made;
    }
    cor_http_res_json(res, 200, json_pack("{s:s}", "client_id", given));
}

void cor_gateway_priv_ticket(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorGateway *gateway = context;
    char ticket[COR_HTTP_TICKET_SIZE];
    CorError err = {0};
    (void) req;

    if (!cor_http_tickets_issue(gateway->options.tickets, ticket, &err)) {
        cor_http_res_header(res, "Retry-After", "5");
        cor_http_problem(res, 429, NULL, "too many tickets are outstanding");
        return;
    }
    cor_http_res_json(res, 200, json_pack("{s:s, s:i}", "ticket", ticket, "expires_in", 30));
}
