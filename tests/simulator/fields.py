"""The field names of the wire, by what carries them."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


BOOK_ORDER = _names(
    """
    id id_fyers exchOrdId clientId symbol fyToken ex_sym description exchange segment instrument
    side type productType orderValidity status qty filledQty remainingQuantity disclosedQty
    limitPrice stopPrice tradedPrice orderDateTime orderNumStatus orderTag source message
    offlineOrder pan lp ch chp slNo takeProfit stopLoss
    """
)
BOOK_TRADE = _names(
    """
    tradeNumber orderNumber exchangeOrderNo clientId symbol fyToken exchange segment side orderType
    productType tradedQty tradePrice tradeValue orderDateTime orderTag row
    """
)
BOOK_POSITION = _names(
    """
    id symbol fyToken exchange segment productType side qty netQty netAvg buyQty buyAvg buyVal
    sellQty sellAvg sellVal dayBuyQty daySellQty cfBuyQty cfSellQty realized_profit
    unrealized_profit pl ltp qtyMulti_com rbiRefRate crossCurrency slNo
    """
)
RAW_ORDER = _names(
    """
    client_id id id_exchange qty qty_remaining qty_filled price_limit price_stop price_traded
    ord_type fy_token exchange segment symbol instrument oms_msg offline_flag time_oms validity
    product_type tran_side org_ord_status ord_source symbol_exch symbol_desc ordertag take_profit
    stop_loss leg_type
    """
)
RAW_TRADE = _names(
    """
    id_fill id qty_traded price_traded traded_val product_type client_id id_exchange ord_type
    tran_side symbol fill_time fy_token exchange segment ordertag
    """
)
RAW_POSITION = _names(
    """
    symbol id buy_avg buy_qty buy_val sell_avg sell_qty sell_val net_avg net_qty tran_side qty
    product_type pl_realized rbirefrate fy_token exchange segment day_buy_qty day_sell_qty
    cf_buy_qty cf_sell_qty qty_multiplier pl_total cross_curr_flag pl_unrealized take_profit
    stop_loss leg_type
    """
)
MASTER_ROW = _names(
    """
    symTicker fyToken minLotSize tickSize qtyFreeze upperPrice lowerPrice tradingSession exSymbol
    segment exchange exInstType expiryDate strikePrice optType underSym previousClose lastUpdate
    qtyMultiplier exSeries mtf_margin is_mtf_tradable exSymName symbolDesc symDetails exToken
    underFyTok currencyCode asmGsmVal faceValue exchangeName originalExpDate isin tradeStatus
    previousOi stream
    """
)
